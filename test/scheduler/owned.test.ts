// SPDX-License-Identifier: MIT
// The list of what a bundle owns.

import { describe, expect, it } from "vitest";
import { Owned, OwnedList, type Resource } from "../../scheduler/owned.ts";

class Handle extends Owned {
  readonly name: string;
  readonly aborted: string[];

  constructor(name: string, aborted: string[]) {
    super();
    this.name = name;
    this.aborted = aborted;
  }

  override abort(): void {
    this.aborted.push(this.name);
  }
}

function scene(): { list: OwnedList; aborted: string[]; made: Resource[] } {
  const list = new OwnedList();
  const aborted: string[] = [];
  // Every second one is a plain object, as users hand over.
  const made = ["a", "b", "c", "d", "e"].map((name, i): Resource => {
    return i % 2 === 0 ? new Handle(name, aborted) : { abort: () => aborted.push(name) };
  });
  for (const each of made) list.add(each);
  return { list, aborted, made };
}

describe("the list of what a bundle owns", () => {
  it("aborts all, the latest first, and is empty then", () => {
    const { list, aborted } = scene();
    list.abortAll();
    expect(aborted).toEqual(["e", "d", "c", "b", "a"]);
    expect(list.size).toBe(0);
  });

  it("lets go of any of them, and of each once", () => {
    for (let i = 0; i < 5; i++) {
      const { list, aborted, made } = scene();
      const names = ["a", "b", "c", "d", "e"];
      list.remove(made[i] as Resource);
      list.remove(made[i] as Resource);
      expect(list.size).toBe(4);
      names.splice(i, 1);
      list.abortAll();
      expect(aborted).toEqual(names.reverse());
    }
  });

  it("has each once, and only its own", () => {
    const { list, aborted, made } = scene();
    for (const each of made) list.add(each);
    expect(list.size).toBe(5);
    const other = new OwnedList();
    for (const each of made) other.remove(each);
    expect([list.size, other.size]).toEqual([5, 0]);
    list.abortAll();
    expect(aborted.length).toBe(5);
  });

  it("may lose others while it aborts one", () => {
    const { list, aborted, made } = scene();
    const last = {
      abort: () => {
        list.remove(made[4] as Resource);
        list.remove(made[1] as Resource);
      },
    };
    list.add(last);
    list.abortAll();
    expect(aborted).toEqual(["d", "c", "a"]);
  });

  it("leaves nothing of what was taken out in it", () => {
    const { list, made } = scene();
    for (const each of made) list.remove(each);
    for (const each of made) {
      if (!(each instanceof Owned)) continue;
      expect([each.inList, each.nextOwned, each.previousOwned]).toEqual([null, null, null]);
    }
  });
});
