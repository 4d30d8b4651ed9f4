// `npm ci` must work on any machine from package-lock.json alone. npm writes the lock file by what
// the registry of the moment has: a platform package that it lacks is left out, and `npm ci` then
// refuses everywhere. (Such entries, for systems that we do not run on, may be added by hand,
// without integrity.)

import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../tools/project.ts";

interface LockedPackage {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly os?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(path.join(ROOT, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};
const locked = Object.entries(lock.packages).filter(([name]) => name !== "");

describe("package-lock.json", () => {
  it("names no registry", () => {
    expect(locked.filter(([, each]) => each.resolved !== undefined)).toEqual([]);
  });

  it("locks the optional packages of every platform", () => {
    const missing = locked.flatMap(([, each]) =>
      Object.keys(each.optionalDependencies ?? {}).filter(
        (name) => lock.packages[`node_modules/${name}`] === undefined,
      ),
    );
    expect(missing).toEqual([]);
  });

  it("has the integrity of everything that Linux installs", () => {
    const runsHere = ([, each]: (typeof locked)[number]): boolean =>
      each.os === undefined || each.os.includes("linux");
    const unverified = locked.filter(runsHere).filter(([, each]) => each.integrity === undefined);
    expect(unverified).toEqual([]);
  });
});
