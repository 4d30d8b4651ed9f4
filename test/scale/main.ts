// SPDX-License-Identifier: MIT
// `npm run scale -- [--connections 1000000]`: prints what very many connections take.

import { parseArgs } from "node:util";
import { runScale } from "./million.ts";

const { values } = parseArgs({ options: { connections: { type: "string", default: "100000" } } });
const connections = Number(values.connections);
if (!Number.isInteger(connections) || connections < 1 || connections > 2_000_000) {
  process.stderr.write("scale: --connections must be a whole number up to 2000000\n");
  process.exit(2);
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
