// Programs as a user starts them: a child process, what it printed, how it ended.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

/** Root of the repository. */
export const ROOT: string = path.resolve(import.meta.dirname, "../..");

/** No program of the tests takes so long; one that does is killed and fails its test. */
const LIMIT_MS = 50_000;

/** A running program. */
export class Program {
  /** What it has printed so far, to stdout and to stderr. */
  output = "";
  errors = "";
  readonly child: ChildProcess;
  private readonly ended: Promise<number>;
  private wakers: (() => void)[] = [];

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on("data", (chunk) => {
      this.output += chunk;
      this.wake();
    });
    child.stderr?.on("data", (chunk) => {
      this.errors += chunk;
    });
    // R1: a program that hangs must not hang the tests.
    const limit = setTimeout(() => this.signal("SIGKILL"), LIMIT_MS);
    this.ended = once(child, "close").then(([code, signal]) => {
      clearTimeout(limit);
      this.wake();
      return code ?? `killed by ${signal}`;
    });
  }

  /** Starts a program in a process group of its own, as a shell does: Ctrl-C goes to all of it. */
  static start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
    const child = spawn(command, args, {
      cwd: ROOT,
      detached: true,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new Program(child);
  }

  /** Starts one of the examples by its name. */
  static example(name: string, ...args: readonly string[]): Program {
    const file = path.join("examples", `${name}.ts`);
    return Program.start(process.execPath, ["--import", "tsx", file, ...args]);
  }

  /** Waits until it has printed something. */
  async printed(pattern: RegExp): Promise<void> {
    let isOver = false;
    void this.ended.then(() => {
      isOver = true;
    });
    while (!pattern.test(this.output)) {
      if (isOver) throw new Error(`ended without ${pattern}:\n${this.output}${this.errors}`);
      await new Promise<void>((resolve) => this.wakers.push(resolve));
    }
  }

  /** Waits for its end and returns the exit code. */
  exitCode(): Promise<number> {
    return this.ended;
  }

  /** Sends a signal to the program and what it has started. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-(this.child.pid as number), signal);
    } catch {
      // It has ended.
    }
  }

  private wake(): void {
    for (const waker of this.wakers.splice(0)) waker();
  }
}
