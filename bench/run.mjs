// SPDX-License-Identifier: MIT
// `npm run bench`: compiles and runs the compiled JavaScript. Running the TypeScript through tsx
// would measure tsx: it names every function anew each time it is made, which costs a closure in a
// hot path more than its work.
//
// The output goes to bench/dist, so that `npm run build` and a bench do not disturb each other.
// Types are not checked here, `npm run types` does that.

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const addon = path.join(root, "native-io", "build", "Release", "caraway_native_io.node");
const env = { ...process.env };
if (env.CARAWAY_NATIVE_IO === undefined && existsSync(addon)) env.CARAWAY_NATIVE_IO = addon;
// Where `ip` lies for ordinary users on Debian.
env.PATH = `${env.PATH ?? ""}:/usr/sbin:/sbin`;

const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
const compiled = spawnSync(process.execPath, [tsc, "-p", path.join(here, "tsconfig.json")], {
  stdio: ["ignore", 2, 2],
});
if (compiled.status !== 0) process.exit(1);
const cli = path.join(here, "dist", "bench", "cli.js");
const bench = spawn(process.execPath, ["--expose-gc", cli, ...process.argv.slice(2)], {
  stdio: "inherit",
  env,
});
// A signal from the terminal reaches both; one sent to this process alone is passed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT") bench.kill(signal);
  });
}
bench.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
});
