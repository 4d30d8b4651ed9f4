// SPDX-License-Identifier: MIT
// `npm run test:native`: builds the addon under AddressSanitizer and UndefinedBehaviorSanitizer
// into native-io/build-asan/ and runs the native tests on it. Arguments go to vitest.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HOME = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.dirname(HOME);
const BUILD = path.join(HOME, "build-asan");
const BINARY = path.join(BUILD, "build", "Release", "caraway_native_io.node");
const require = createRequire(import.meta.url);

function run(command, args, env = process.env) {
  const result = spawnSync(command, args, { cwd: ROOT, env, stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** The compiler's path of one of its own libraries. */
function compilerFile(name) {
  const compiler = process.env.CXX ?? "g++";
  const result = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" });
  const file = (result.stdout ?? "").trim();
  if (path.isAbsolute(file) && existsSync(file)) return file;
  console.error(`test:native needs ${name} of ${compiler}: install the compiler's sanitizers`);
  process.exit(1);
}

/** node-gyp always builds into build/ beside the gyp file: so there is a second one. */
function build() {
  mkdirSync(BUILD, { recursive: true });
  const gyp = readFileSync(path.join(HOME, "binding.gyp"), "utf8")
    .replace('"asan%": 0', '"asan%": 1')
    .replace('"source_dir%": "src"', '"source_dir%": "../src"');
  writeFileSync(path.join(BUILD, "binding.gyp"), gyp);
  const prefix = path.dirname(path.dirname(process.execPath));
  const hasHeaders = existsSync(path.join(prefix, "include", "node", "node_api.h"));
  const headers = hasHeaders ? [`--nodedir=${prefix}`] : [];
  const nodeGyp = require.resolve("node-gyp/bin/node-gyp.js");
  const verb = existsSync(path.join(BUILD, "build", "Makefile")) ? ["build"] : ["rebuild"];
  run(process.execPath, [nodeGyp, ...verb, "-C", BUILD, "--loglevel=warn", ...headers]);
}

/** The environment of a program that loads the instrumented addon. */
function sanitized() {
  return {
    ...process.env,
    CARAWAY_NATIVE_IO: BINARY,
    // Node itself is not built with the sanitizer, so its runtime has to be there first.
    LD_PRELOAD: `${compilerFile("libasan.so")} ${compilerFile("libubsan.so")}`,
    ASAN_OPTIONS: "detect_leaks=1:exitcode=99",
    LSAN_OPTIONS: `suppressions=${path.join(HOME, "lsan.supp")}:print_suppressions=0`,
    UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
  };
}

function runTests() {
  const vitest = path.join(path.dirname(require.resolve("vitest/package.json")), "vitest.mjs");
  const args = [vitest, "run", "--project", "machine", "test/native-io", ...process.argv.slice(2)];
  run(process.execPath, args, sanitized());
}

/** LeakSanitizer speaks at the end of a process, and vitest does not let its own end that way. */
function checkLeaks() {
  const environment = sanitized();
  const { LD_PRELOAD: preload, ...plain } = environment;
  const program = path.join(ROOT, "test", "native-io", "leak-check.mjs");
  const script = `
    PATH="$PATH:/usr/sbin:/sbin"
    ip link add leak0 type veth peer name leak1 && ip link set leak0 up && ip link set leak1 up &&
      LD_PRELOAD="$1" exec "$2" "$3" "$4"`;
  const args = ["--net", "sh", "-c", script, "sh", preload, process.execPath, program, BINARY];
  const canMakeNamespace = spawnSync("unshare", ["--net", "true"]).status === 0;
  if (canMakeNamespace) run("unshare", args, plain);
  else if (process.env.CARAWAY_REQUIRE_NIC !== "1") console.log("skip: leak check needs root");
  else throw new Error("CARAWAY_REQUIRE_NIC=1, but the leak check needs root");
}

build();
runTests();
checkLeaks();
