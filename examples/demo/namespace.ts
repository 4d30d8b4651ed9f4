// SPDX-License-Identifier: MIT
// The demo starts itself again inside a fresh user and network namespace. All that it makes there,
// devices and addresses, goes with the last process in it, however that ends.

import { spawn, spawnSync } from "node:child_process";

/** Set in the environment of the second self: how it came to be there. */
const INSIDE = "CARAWAY_DEMO_INSIDE";

/** Commands of iproute2 live where an ordinary user's PATH does not look. */
export const ENVIRONMENT: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
};

/** Whether this is the second self, in a namespace of its own. */
export function isInside(): boolean {
  return process.env[INSIDE] !== undefined;
}

/** How to get a namespace: as any user with a user namespace around it, or as root. */
const WAYS: readonly (readonly string[])[] = [["--user", "--map-root-user", "--net"], ["--net"]];

/** @returns arguments of `unshare` that work here, or why none does */
export function wayIn(): readonly string[] | string {
  let reason = "";
  for (const way of WAYS) {
    const tried = spawnSync("unshare", [...way, "true"], { env: ENVIRONMENT, encoding: "utf8" });
    if (tried.status === 0) return way;
    const missing = (tried.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    if (missing) return "there is no unshare; on Debian and Ubuntu: apt-get install util-linux";
    reason ||= tried.stderr.trim();
  }
  return `no network namespace to be had: ${reason}`;
}

/**
 * Runs this program again in a namespace, with the same arguments and terminal.
 *
 * @returns its exit code
 */
export function runInside(way: readonly string[]): Promise<number> {
  const [, script = "", ...rest] = process.argv;
  const again = [process.execPath, ...process.execArgv, script, ...rest];
  const child = spawn("unshare", [...way, "--", ...again], {
    env: { ...ENVIRONMENT, [INSIDE]: "1" },
    // The channel tells the second self when this one is gone.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  // The terminal sends Ctrl-C to both; the second self cleans up, this one waits for it.
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", () => {});
  process.on("SIGTERM", forward);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 143)));
  });
}

/** In the second self: ends it when the first one is gone, killed for instance. */
export function endWithParent(): void {
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
}
