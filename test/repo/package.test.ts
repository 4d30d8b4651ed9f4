// What is published, as its users meet it: built, installed into a project of theirs, imported by
// plain Node, type-checked by a strict compiler that looks into declaration files too, and
// installed where there is no C++ compiler.

import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../tools/project.ts";
import { MODULES as EXPORTED } from "../../tools/public-api.ts";

const MODULES = path.join(ROOT, "node_modules");
const TSC = path.join(MODULES, "typescript", "bin", "tsc");

interface Outcome {
  readonly exitCode: number | null;
  readonly output: string;
}

function node(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Outcome {
  const result = spawnSync(process.execPath, args, { cwd, env, encoding: "utf8" });
  return { exitCode: result.status, output: `${result.stdout}${result.stderr}`.trim() };
}

/** A project that depends on caraway, with the package as `npm install` would lay it out. */
function installPackage(project: string): string {
  const installed = path.join(project, "node_modules", "caraway");
  mkdirSync(installed, { recursive: true });
  writeFileSync(path.join(project, "package.json"), '{ "type": "module", "private": true }');
  cpSync(path.join(ROOT, "package.json"), path.join(installed, "package.json"));
  cpSync(path.join(ROOT, "native-io"), path.join(installed, "native-io"), {
    recursive: true,
    filter: (source) => !/\/(build|build-asan)$/.test(source),
  });
  for (const name of ["effection", "abort-controller-x", "node-addon-api", "node-gyp", "@types"]) {
    symlinkSync(path.join(MODULES, name), path.join(project, "node_modules", name));
  }
  return installed;
}

describe("the built package", () => {
  let project = "";
  let installed = "";
  let build: Outcome = { exitCode: null, output: "not run" };

  beforeAll(() => {
    project = mkdtempSync(path.join(tmpdir(), "caraway-package-"));
    installed = installPackage(project);
    const outDir = path.join(installed, "dist");
    build = node(ROOT, [TSC, "-p", "tsconfig.build.json", "--outDir", outDir]);
  });
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  function write(name: string, lines: readonly string[]): void {
    writeFileSync(path.join(project, name), lines.join("\n"));
  }

  it("builds JavaScript and declarations for every module that it exports", () => {
    expect(build).toEqual({ exitCode: 0, output: "" });
    for (const { entry } of EXPORTED) {
      const built = path.join(installed, "dist", entry.replace(/\.ts$/, ""));
      expect(existsSync(`${built}.js`)).toBe(true);
      expect(existsSync(`${built}.d.ts`)).toBe(true);
    }
  });

  it("runs in plain Node", () => {
    write("consumer.mjs", [
      'import { now, run, sleep } from "caraway";',
      'import { simulate } from "caraway/testing";',
      "await run(function* () { yield* sleep(now() + 1); });",
      `for (const name of ${JSON.stringify(EXPORTED.map((each) => each.name))}) {`,
      "  await import(name);",
      "}",
      "console.log(typeof simulate);",
    ]);
    expect(node(project, ["consumer.mjs"])).toEqual({ exitCode: 0, output: "function" });
  });

  it("type-checks in a strict project, declaration files included", () => {
    write("consumer.ts", [
      'import { NetError, now, run, sleep, tcp } from "caraway";',
      'import { simulate } from "caraway/testing";',
      "export const result: Promise<number> = run(function* () {",
      "  yield* sleep(now() + 1);",
      "  const listener = yield* tcp.listen({ port: 1 });",
      "  const conn = yield* listener.accept(now() + 1);",
      "  return yield* conn.recvSome(new Uint8Array(1));",
      "});",
      "export const all = [NetError, simulate];",
    ]);
    const options = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      target: "ES2022",
      module: "NodeNext",
      noEmit: true,
      types: ["node"],
    };
    const config = { compilerOptions: options, files: ["consumer.ts"] };
    writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify(config));
    expect(node(project, [TSC, "-p", "."])).toEqual({ exitCode: 0, output: "" });
  });

  /** Prints the code and the message of the error of opening a NIC that does not exist. */
  function openNic(): Outcome {
    write("open.mjs", [
      'import { openDriver } from "caraway";',
      "try {",
      '  openDriver({ driver: "af_packet", interface: "caraway-none" });',
      "} catch (error) {",
      "  console.log(error.code, error.message);",
      "}",
    ]);
    return node(project, ["open.mjs"]);
  }

  /** What listening over the kernel fails with. */
  function listen(): string {
    write("listen.mjs", [
      'import { run, tcp } from "caraway";',
      "await run(function* () {",
      "  try { yield* tcp.listen({ port: 0 }); } catch (error) { console.log(error.message); }",
      "});",
    ]);
    return node(project, ["listen.mjs"]).output;
  }

  it("finds the addon from dist/", (context) => {
    const addon = path.join(ROOT, "native-io", "build", "Release");
    const isBuilt = existsSync(addon);
    if (!isBuilt && process.env["CARAWAY_REQUIRE_NIC"] !== "1") {
      context.skip("skip: npm ci has not built the addon here");
    }
    expect(isBuilt, "npm ci has built the addon").toBe(true);
    const copy = path.join(installed, "native-io", "build", "Release");
    cpSync(addon, copy, { recursive: true });
    const { output } = openNic();
    rmSync(path.join(installed, "native-io", "build"), { recursive: true });
    expect(output).not.toMatch(/ENOSYS/);
    expect(output).toMatch(/caraway-none|CAP_NET_RAW/);
  });

  it("installs without a compiler, and opening a driver then says ENOSYS and why", () => {
    const bin = path.join(project, "bin");
    mkdirSync(bin);
    symlinkSync(process.execPath, path.join(bin, "node"));
    const env = { ...process.env, PATH: bin, CC: "", CXX: "", MAKE: "" };
    const install = node(installed, ["native-io/install.mjs"], env);
    expect(install.exitCode).toBe(0);
    expect(install.output).toContain("no sockets of the kernel (the default network)");
    expect(install.output).not.toContain("everything else works");
    const { output } = openNic();
    expect(output).toMatch(/ENOSYS/);
    // The reason: a tool that the build needs and could not find.
    expect(output).toMatch(/compiler|g\+\+|make|python|node-gyp/i);
    expect(listen()).toMatch(/^ENOSYS: sockets of the kernel are not available: .*, tcp\.listen$/);
  });
});

describe("what npm packs", () => {
  it("has what builds the addon, and nothing that only tests it", () => {
    const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const { status, stdout } = spawnSync("npm", args, { cwd: ROOT, encoding: "utf8" });
    expect(status).toBe(0);
    const [packed] = JSON.parse(stdout) as [{ readonly files: readonly { path: string }[] }];
    const files = packed.files.map((file) => file.path);
    expect(files).toEqual(
      expect.arrayContaining(["native-io/binding.gyp", "native-io/install.mjs"]),
    );
    expect(files.filter((file) => /^native-io\/.*(test|asan|lsan|build\/)/.test(file))).toEqual([]);
  });
});
