// SPDX-License-Identifier: MIT
// `--only`: whom a run is confined to.

/** What the option's text names. A comma with a space after it is a part of a name. */
export function namesIn(text: string): readonly string[] {
  const names = text.split(/,(?! )/);
  if (names.includes("")) throw new Error("--only wants names: NAME[,NAME]");
  return names;
}

/** Those of `names` that are wanted, all if `only` is empty. */
export function chosen(names: readonly string[], only: readonly string[]): readonly string[] {
  if (only.length === 0) return names;
  const wanted = new Set(only.flatMap((each) => meantBy(each, names)));
  return names.filter((name) => wanted.has(name));
}

/** Refuses a name that is nobody's: a run without whom it is about would be for nothing. */
export function checkOnly(names: readonly string[], only: readonly string[]): void {
  for (const each of only) {
    if (meantBy(each, names).length > 0) continue;
    if (names.length === 0) throw new Error("--only is for suites that compare servers");
    throw new Error(`nobody here is called "${each}": there are ${names.join("; ")}`);
  }
}

/** A whole name means its bearer alone, else the beginning of names all that begin so. */
function meantBy(wanted: string, names: readonly string[]): readonly string[] {
  const start = wanted.toLowerCase();
  const whole = names.filter((name) => name.toLowerCase() === start);
  return whole.length > 0 ? whole : names.filter((name) => name.toLowerCase().startsWith(start));
}
