// SPDX-License-Identifier: MIT
// `npm ci` and `npm install` run this. It builds the addon with node-gyp where there is a
// compiler. It never fails: without the addon there are no sockets of the kernel, which is the
// default network, and no native drivers; opening one says ENOSYS with the reason that is written
// down here.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HOME = path.dirname(fileURLToPath(import.meta.url));
const BUILD = path.join(HOME, "build");
const REASON = path.join(BUILD, "install-error.txt");
const BINARY = "caraway_native_io.node";
/** A build takes 15 s; a header download that hangs must not block an installation for ever. */
const TIMEOUT_MS = 300_000;
const REASON_LINES = 12;

/** Headers beside this Node (`/usr/include/node`), so that none need be downloaded. */
function headerArguments() {
  const prefix = path.dirname(path.dirname(process.execPath));
  const isThere = existsSync(path.join(prefix, "include", "node", "node_api.h"));
  return isThere ? [`--nodedir=${prefix}`] : [];
}

/** @returns {string | null} why there is no addon now, or null */
function build() {
  if (process.platform !== "linux") return `they need Linux, this is ${process.platform}`;
  if (process.env.CARAWAY_SKIP_NATIVE === "1") return "CARAWAY_SKIP_NATIVE=1 forbade to build them";
  const prebuilt = path.join(HOME, "prebuilds", `linux-${process.arch}`, BINARY);
  if (existsSync(prebuilt)) return null;
  let nodeGyp;
  try {
    nodeGyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js");
  } catch {
    return "node-gyp, which builds the addon, is not installed";
  }
  const args = [nodeGyp, "rebuild", "-C", HOME, ...headerArguments()];
  const result = spawnSync(process.execPath, args, { encoding: "utf8", timeout: TIMEOUT_MS });
  if (result.status === 0) return null;
  const missing = missingTools();
  if (missing.length > 0) {
    return `the addon could not be built when the package was installed, for want of ${missing.join(", ")}; install that and run \`node ${path.join(HOME, "install.mjs")}\``;
  }
  const log = `${result.stdout ?? ""}${result.stderr ?? ""}`
    .split("\n")
    .filter((line) => /error|err!|not found|no such|cannot/i.test(line))
    .slice(0, REASON_LINES);
  if (result.error !== undefined) log.push(String(result.error));
  return `node-gyp could not build the addon: ${log.map((line) => line.trim()).join("; ")}`;
}

/** What node-gyp needs and is not here. */
function missingTools() {
  const runs = (tool) => spawnSync(tool, ["--version"]).status === 0;
  const python = process.env.PYTHON || "python3";
  const make = process.env.MAKE || "make";
  const compilers = process.env.CXX ? [process.env.CXX] : ["g++", "clang++", "c++"];
  const missing = [];
  if (!compilers.some(runs)) missing.push(`a C++ compiler (${compilers.join(" or ")})`);
  if (!runs(make)) missing.push(make);
  if (!runs(python)) missing.push(python);
  return missing;
}

rmSync(REASON, { force: true });
const reason = build();
if (reason === null) {
  console.log("caraway: sockets of the kernel (the default network) and native drivers are ready");
} else {
  // A binary of an earlier build would hide the reason, and may not fit this Node.
  rmSync(path.join(BUILD, "Release", BINARY), { force: true });
  mkdirSync(BUILD, { recursive: true });
  writeFileSync(REASON, `${reason}\n`);
  console.log(
    `caraway: no sockets of the kernel (the default network), no native drivers: ${reason}`,
  );
  console.log("caraway: the simulated network (caraway/testing) and the scheduler work");
}
