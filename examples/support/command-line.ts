// SPDX-License-Identifier: MIT
// What all examples share: options of the command line with --help and clear errors, on top of
// node:util's parseArgs.

import { parseArgs } from "node:util";

/** One option: its help text, and its default if it takes a value. */
export interface Option {
  readonly help: string;
  /** A flag without this; an option with a value otherwise. `""`: no default. */
  readonly default?: string | number;
  /** What the value stands for in --help: `<ms>`. Default: `<default's type>`. */
  readonly value?: string;
  /** Only these values. */
  readonly choices?: readonly string[];
  /** For numbers: the smallest and the largest, inclusive. */
  readonly range?: readonly [number, number];
}

/** Options by name. */
export type Options = Readonly<Record<string, Option>>;

/** What the user asked for: a number where the default is one, true or false for a flag. */
export type Settings<O extends Options> = {
  readonly [K in keyof O]: O[K] extends { readonly default: infer D }
    ? D extends number
      ? number
      : string
    : boolean;
};

/** What an example does, for --help. */
export interface About {
  /** `echo-server` */
  readonly name: string;
  /** Sentences on what it does, lines of up to 80 columns. */
  readonly text: string;
  /** Commands to try, each with a comment. */
  readonly examples: readonly string[];
}

/** A mistake on the command line. */
class UsageError extends Error {}

/**
 * Reads the command line. `--help` prints the options and ends the program; a mistake is told on
 * stderr and ends it with exit code 2.
 */
export function commandLine<const O extends Options>(about: About, options: O): Settings<O> {
  try {
    const settings = parse(options);
    if (settings !== null) return settings;
    console.log(helpText(about, options));
    process.exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${about.name}: ${error.message}\nTry: npx tsx examples/${about.name}.ts --help`);
    process.exit(2);
  }
}

/** Ends the program because options do not go together. */
export function usageError(name: string, message: string): never {
  console.error(`${name}: ${message}\nTry: npx tsx examples/${name}.ts --help`);
  process.exit(2);
}

function parse<const O extends Options>(options: O): Settings<O> | null {
  const given = parseOrExplain(options);
  if (given["help"] === true) return null;
  const settings: Record<string, string | number | boolean> = {};
  for (const [name, option] of Object.entries(options)) {
    settings[name] = settingOf(name, option, given[name]);
  }
  return settings as Settings<O>;
}

function parseOrExplain(options: Options): Record<string, string | boolean | undefined> {
  const config: Record<string, { type: "string" | "boolean"; short?: string }> = {
    help: { type: "boolean", short: "h" },
  };
  for (const [name, option] of Object.entries(options)) {
    config[name] = { type: option.default === undefined ? "boolean" : "string" };
  }
  try {
    return parseArgs({ options: config, strict: true }).values as Record<string, string>;
  } catch (error) {
    // "Unknown option '--prot'. To specify a positional argument ...": the first sentence will do.
    throw new UsageError((error as Error).message.replace(/\. .*/s, ""));
  }
}

function settingOf(
  name: string,
  option: Option,
  given: string | boolean | undefined,
): string | number | boolean {
  if (option.default === undefined) return given === true;
  if (given === undefined) return option.default;
  const text = String(given);
  if (option.choices !== undefined && !option.choices.includes(text)) {
    throw new UsageError(`--${name} must be one of ${option.choices.join(", ")}, got "${text}"`);
  }
  if (typeof option.default === "string") return text;
  const number = Number(text);
  const [least, most] = option.range ?? [0, Number.MAX_SAFE_INTEGER];
  if (text.trim() === "" || !(number >= least && number <= most)) {
    throw new UsageError(`--${name} must be a number from ${least} to ${most}, got "${text}"`);
  }
  return number;
}

function helpText(about: About, options: Options): string {
  const rows = Object.entries(options).map(([name, option]) => [left(name, option), right(option)]);
  rows.push(["--help, -h", "Print this."]);
  const width = Math.max(...rows.map(([text = ""]) => text.length));
  const lines = rows.map(([text = "", help = ""]) => `  ${text.padEnd(width)}  ${help}`);
  return [
    `Usage: npx tsx examples/${about.name}.ts [options]`,
    "",
    about.text,
    "",
    "Options:",
    ...lines,
    ...(about.examples.length === 0 ? [] : ["", "Examples:"]),
    ...about.examples.map((example) => `  ${example}`),
  ].join("\n");
}

function left(name: string, option: Option): string {
  if (option.default === undefined) return `--${name}`;
  const kind = typeof option.default === "number" ? "<number>" : "<text>";
  return `--${name} ${option.value ?? (option.choices ? `<${option.choices.join("|")}>` : kind)}`;
}

function right(option: Option): string {
  const hasDefault = option.default !== undefined && option.default !== "";
  return hasDefault ? `${option.help} Default ${option.default}.` : option.help;
}
