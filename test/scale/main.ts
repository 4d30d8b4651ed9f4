// SPDX-License-Identifier: MIT
// `npm run scale -- [--connections 1000000]`: prints what very many connections take.

import { parseArgs } from "node:util";
import { runScale } from "./million.ts";

const HELP = `Usage: npm run scale -- [--connections N]

Opens N connections in one process, both ends, uses, keeps and closes them, and prints what that
takes. Default 100000; 1000000 takes 2.5 GB and some minutes.
`;

function fail(text: string): never {
  process.stderr.write(`scale: ${text}\n`);
  process.exit(2);
}

function argumentsGiven() {
  try {
    return parseArgs({
      options: {
        connections: { type: "string", default: "100000" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    return fail((error as Error).message);
  }
}

const values = argumentsGiven();
if (values.help === true) {
  process.stdout.write(HELP);
  process.exit(0);
}
const connections = Number(values.connections);
if (!Number.isInteger(connections) || connections < 1 || connections > 1_000_000) {
  fail(`--connections must be a whole number from 1 to 1000000, got "${values.connections}"`);
}
const report = await runScale({
  connections,
  onProgress: (text) => process.stdout.write(`${text}\n`),
});
const { peakRssBytes, retransmits, socketsLeft } = report;
process.stdout.write(
  `peak memory of the process ${(peakRssBytes / 1e9).toFixed(2)} GB, ` +
    `${retransmits} segments sent again, ${socketsLeft} sockets left\n`,
);
