/**
 * Hierarchical timer wheel: O(1) arm, re-arm and cancel, exact order of expiry, and an exact next
 * expiry for the virtual clock. Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987),
 * scheme 7.
 *
 * Three levels of 1024 slots. A tick is 1/8 ms, so a slot spans 1/8 ms, 128 ms and 131 s, and the
 * wheel 37 hours; what lies beyond waits in one overflow list. Ticks count from `#epochMs` and are
 * 30 bits:
 *
 *     tick   | level 2: 10 bits | level 1: 10 bits | level 0: 10 bits |
 *
 * A timer lies on the level of the highest bit group in which its tick differs from the cursor's.
 * Hence slots never wrap round, everything on a level is due before anything on the next, timers of
 * one tick are always in one slot, and the first set bit of the lowest occupied level is where the
 * earliest timer is. Times are doubles and never rounded: the tick only chooses the slot, order
 * within it is by `whenMs`. Only a slot that fires is sorted; of the others the earliest is known.
 *
 * The links are not object fields but typed arrays, indexed by `TimerPlace.index`: no GC write
 * barriers, and walking a list stays within a few cache lines.
 */

const TICKS_PER_MS = 8;
const LEVEL_BITS = 10;
const SLOTS_PER_LEVEL = 1 << LEVEL_BITS;
const SLOT_MASK = SLOTS_PER_LEVEL - 1;
const LEVELS = 3;
/** Ticks from the epoch that the levels can hold; 2^30 keeps every tick a small integer. */
const SPAN_TICKS = 2 ** (LEVEL_BITS * LEVELS);

// The lists' anchors take the first indices of the link arrays, so unlinking knows no special case.
const OVERFLOW = LEVELS * SLOTS_PER_LEVEL;
/** Timers armed during the present advance that must wait for the next one. */
const HELD = OVERFLOW + 1;
const FIRST_TIMER = HELD + 1;
const INITIAL_CAPACITY = 4096;

/** How many timers armed by a `fire` may fire in the same advance, so that it always ends. */
const REFIRES_PER_ADVANCE = 256;

/**
 * Times that the earliest of a list is searched for before the list is sorted instead, which costs
 * about as much as all of these together: whoever cancels the earliest again and again is served by
 * order, whoever moves them by a search.
 */
const SEARCHES_BEFORE_SORT = 32;

/**
 * Where a timer waits. An object of its own because timers come in many subclasses: the wheel reads
 * this one field of them and all else is monomorphic. (Storing a double in a megamorphic field
 * allocates.)
 */
class TimerPlace {
  whenMs: number = Infinity;
  /** Index in the wheel's arrays, 0 when not armed. */
  index: number = 0;
}

/**
 * Something that happens at a point in time. Subclass it and arm it in a {@link TimerWheel}.
 *
 * @example
 * ```ts
 * class Retransmit extends Timer {
 *   override fire(nowMs: number): void { ... }
 * }
 * wheel.arm(retransmit, nowMs + 200);
 * ```
 */
export abstract class Timer {
  /** The wheel's own record of this timer; leave it alone. */
  readonly wheelPlace: TimerPlace = new TimerPlace();

  /** When it fires, ms on the loop's clock; Infinity when not armed. */
  get whenMs(): number {
    return this.wheelPlace.whenMs;
  }

  /** Whether it waits in a wheel. False already while `fire` runs. */
  get isArmed(): boolean {
    return this.wheelPlace.index !== 0;
  }

  /**
   * Called once when the time has come; may arm or cancel any timer, itself included.
   *
   * @param nowMs - the time given to `advance`, at or after `whenMs`
   */
  abstract fire(nowMs: number): void;
}

/**
 * The timers of one loop.
 *
 * @example
 * ```ts
 * const wheel = new TimerWheel(nowMs);
 * wheel.arm(timer, nowMs + 10);
 * wheel.advance(wheel.nextMs()); // fires it
 * ```
 */
export class TimerWheel {
  /** Time of tick 0. */
  #epochMs: number;
  /**
   * The tick reached. May lag behind the time of the last advance, within its block of 1024
   * ticks.
   */
  #cursor = 0;
  #size = 0;
  /** Earliest time, or NaN when it must be looked up. */
  #nextMs = Infinity;
  #firing = false;
  /** Odd while an advance runs; tells the timers armed during it from the others. */
  #round = 0;
  #refires = 0;

  #next: Int32Array;
  #prev: Int32Array;
  /** `whenMs` by index; -Infinity at the anchors. */
  #when: Float64Array;
  /** `#round` at the time of arming. */
  #armedIn: Int32Array;
  #timers: (Timer | null)[] = [];
  /** Head of the free indices, linked by `#next`; 0 ends it. */
  #free = 0;

  /**
   * Occupied slots, one bit each, and per level the words that are not 0. The last belongs to the
   * lists.
   */
  readonly #words = new Int32Array((LEVELS + 1) * 32);
  readonly #summary = new Int32Array(LEVELS + 1);
  /** 0 where a list is in order of time, else 1 and how often its earliest was searched for. */
  readonly #disorder = new Uint8Array(FIRST_TIMER);
  /**
   * Of a list without order: the index of its earliest timer, and that time, before which none of
   * it is. Cancelled or moved, the timer at that index has another time; back at this one, it is
   * again in this list.
   */
  readonly #earliest = new Int32Array(FIRST_TIMER);
  readonly #earliestMs = new Float64Array(FIRST_TIMER);
  readonly #scratch: number[] = [];
  readonly #byTime = (a: number, b: number): number => {
    const x = this.#when[a] as number;
    const y = this.#when[b] as number;
    return x < y ? -1 : x > y ? 1 : 0; // a difference would be NaN for two times of -Infinity
  };

  /**
   * Makes an empty wheel.
   *
   * @param startMs - the loop's time now
   */
  constructor(startMs = 0) {
    this.#epochMs = startMs;
    this.#next = new Int32Array(FIRST_TIMER);
    this.#prev = new Int32Array(FIRST_TIMER);
    this.#when = new Float64Array(FIRST_TIMER).fill(-Infinity);
    this.#armedIn = new Int32Array(FIRST_TIMER);
    for (let slot = 0; slot < FIRST_TIMER; slot++) {
      this.#next[slot] = slot;
      this.#prev[slot] = slot;
      this.#timers.push(null);
    }
    this.#grow(INITIAL_CAPACITY);
  }

  /** How many timers are armed. */
  get size(): number {
    return this.#size;
  }

  /**
   * Arms a timer, or moves it if it is armed; it then counts as armed last among equal times.
   *
   * @param timer - the timer; the wheel holds it until it fires or is cancelled
   * @param whenMs - absolute time, ms; one in the past fires at the next advance, Infinity cancels
   * @throws RangeError when `whenMs` is NaN, Error when the timer is armed in another wheel
   */
  arm(timer: Timer, whenMs: number): void {
    if (!(whenMs < Infinity)) return this.#armNever(timer, whenMs);
    const place = timer.wheelPlace;
    let index = place.index;
    if (index !== 0) {
      if (this.#timers[index] !== timer) throw new Error("timer is armed in another wheel");
      this.#unlink(index);
      if (this.#size === 1) this.#nextMs = whenMs;
      else if (place.whenMs === this.#nextMs) this.#nextMs = Number.NaN;
    } else {
      if (this.#free === 0) this.#grow(this.#next.length * 2);
      index = this.#free;
      this.#free = this.#next[index] as number;
      this.#timers[index] = timer;
      place.index = index;
      if (this.#size++ === 0) this.#nextMs = whenMs;
    }
    if (whenMs < this.#nextMs) this.#nextMs = whenMs;
    place.whenMs = whenMs;
    this.#when[index] = whenMs;
    this.#armedIn[index] = this.#round;
    this.#place(index, whenMs);
  }

  /**
   * Disarms a timer; does nothing if it is not armed.
   *
   * @param timer - the timer
   * @throws Error when the timer is armed in another wheel
   */
  cancel(timer: Timer): void {
    const place = timer.wheelPlace;
    const index = place.index;
    if (index === 0) return;
    if (this.#timers[index] !== timer) throw new Error("timer is armed in another wheel");
    this.#unlink(index);
    if (this.#size === 1) this.#nextMs = Infinity;
    else if (place.whenMs === this.#nextMs) this.#nextMs = Number.NaN;
    this.#release(place, index);
  }

  /**
   * Finds the earliest time of all armed timers, exactly.
   *
   * @returns that time, ms; Infinity when none is armed
   */
  nextMs(): number {
    if (!Number.isNaN(this.#nextMs)) return this.#nextMs;
    let slot = this.#firstSlot(0);
    for (let level = 1; slot < 0 && level < LEVELS; level++) slot = this.#firstSlot(level);
    // A held timer was due before whatever the levels have left to fire now, but order is settled
    // by time.
    const held = this.#earliestOf(HELD);
    const next = this.#earliestOf(slot < 0 ? OVERFLOW : slot);
    this.#nextMs = Math.min(held, next);
    return this.#nextMs;
  }

  /**
   * Fires every timer whose time has come, by time, and equal times in the order they were armed.
   * Of the
   * timers armed meanwhile by a `fire` for a time already reached, the first 256 fire too and the
   * rest at
   * the next advance. A `fire` that throws ends the advance; no timer is lost by it.
   *
   * @param nowMs - the loop's time; a value lower than before fires only what is due by it
   * @returns how many fired
   * @throws Error when called from a `fire`
   */
  advance(nowMs: number): number {
    if (this.#firing) throw new Error("TimerWheel.advance is not reentrant");
    const isNearCursor = (this.#tickOf(nowMs) ^ this.#cursor) < SLOTS_PER_LEVEL;
    if (nowMs < this.#nextMs && isNearCursor) return 0;
    this.#firing = true;
    this.#round = (this.#round + 1) & 0x3fffffff;
    this.#refires = REFIRES_PER_ADVANCE;
    try {
      let fired = 0;
      if (this.#tickOf(nowMs) === SPAN_TICKS) {
        fired = this.#advanceTo(SPAN_TICKS - 1, nowMs);
        this.#epochMs = nowMs; // the levels are empty now, so ticks may be counted anew
        this.#cursor = 0;
        this.#cascade(OVERFLOW);
      }
      return fired + this.#advanceTo(this.#tickOf(nowMs), nowMs);
    } finally {
      this.#firing = false;
      this.#round = (this.#round + 1) & 0x3fffffff;
      this.#cascade(HELD);
    }
  }

  /** Walks the occupied slots up to a tick, firing those of level 0 and spreading those above. */
  #advanceTo(tick: number, nowMs: number): number {
    let fired = 0;
    for (;;) {
      let level = 0;
      let slot = this.#firstSlot(0);
      while (slot < 0 && ++level < LEVELS) slot = this.#firstSlot(level);
      if (slot < 0) break;
      const shift = level * LEVEL_BITS;
      const block = (this.#cursor >>> (shift + LEVEL_BITS)) << LEVEL_BITS;
      const start = (block | (slot & SLOT_MASK)) << shift;
      if (start > tick) break;
      this.#cursor = start;
      if (level > 0) {
        this.#cascade(slot);
      } else {
        fired += this.#fireSlot(slot, nowMs);
        if (this.#next[slot] !== slot) break; // later within the last tick
      }
    }
    this.#cursor = tick;
    return fired;
  }

  #fireSlot(slot: number, nowMs: number): number {
    let fired = 0;
    for (;;) {
      if (this.#disorder[slot] !== 0) this.#sort(slot);
      const index = this.#next[slot] as number;
      if (index === slot || !((this.#when[index] as number) <= nowMs)) return fired;
      this.#unlink(index);
      if (this.#armedIn[index] === this.#round && this.#refires-- <= 0) {
        this.#append(HELD, index, this.#when[index] as number);
        continue;
      }
      const timer = this.#timers[index] as Timer;
      this.#release(timer.wheelPlace, index);
      this.#nextMs = this.#size === 0 ? Infinity : Number.NaN; // each time: a fire may have asked
      fired++;
      timer.fire(nowMs);
    }
  }

  /** The tick of a time: never below the cursor, and `SPAN_TICKS` for all beyond the levels. */
  #tickOf(whenMs: number): number {
    // Subtraction rounds, but monotonically: of two times the later never has the lower tick.
    const ticks = (whenMs - this.#epochMs) * TICKS_PER_MS;
    if (!(ticks > this.#cursor)) return this.#cursor;
    return ticks >= SPAN_TICKS ? SPAN_TICKS : ticks | 0;
  }

  #place(index: number, whenMs: number): void {
    const tick = this.#tickOf(whenMs);
    const difference = tick ^ this.#cursor;
    let slot: number;
    if (difference < SLOTS_PER_LEVEL) slot = tick & SLOT_MASK;
    else if (tick === SPAN_TICKS) slot = OVERFLOW;
    else if (difference < SLOTS_PER_LEVEL ** 2)
      slot = SLOTS_PER_LEVEL | ((tick >>> LEVEL_BITS) & SLOT_MASK);
    else slot = (2 * SLOTS_PER_LEVEL) | (tick >>> (2 * LEVEL_BITS));
    this.#append(slot, index, whenMs);
  }

  #append(slot: number, index: number, whenMs: number): void {
    const last = this.#prev[slot] as number;
    const isLate = (this.#when[last] as number) > whenMs;
    if (isLate || this.#disorder[slot] !== 0) this.#addDisordered(slot, index, whenMs, isLate);
    this.#next[last] = index;
    this.#prev[index] = last;
    this.#next[index] = slot;
    this.#prev[slot] = index;
    if (last === slot) {
      const word = slot >>> 5;
      this.#words[word] = (this.#words[word] as number) | (1 << (slot & 31));
      const level = slot >>> LEVEL_BITS;
      this.#summary[level] = (this.#summary[level] as number) | (1 << (word & 31));
    }
  }

  /** Notes the earliest of a list that has no order, or loses it by what is being added. */
  #addDisordered(slot: number, index: number, whenMs: number, isLate: boolean): void {
    if (this.#disorder[slot] === 0) {
      const first = this.#next[slot] as number;
      this.#earliest[slot] = first;
      this.#earliestMs[slot] = this.#when[first] as number;
    }
    if (isLate) this.#disorder[slot] = 1;
    if (whenMs > (this.#earliestMs[slot] as number)) return;
    this.#earliest[slot] = index;
    this.#earliestMs[slot] = whenMs;
  }

  #unlink(index: number): void {
    const next = this.#next[index] as number;
    const prev = this.#prev[index] as number;
    this.#next[prev] = next;
    this.#prev[next] = prev;
    // Equal neighbours can only be the anchor: the list is empty.
    if (next === prev) this.#markEmpty(next);
  }

  /** Clears the bits of a list that has become empty. */
  #markEmpty(slot: number): void {
    this.#disorder[slot] = 0;
    const word = slot >>> 5;
    const bits = (this.#words[word] as number) & ~(1 << (slot & 31));
    this.#words[word] = bits;
    if (bits !== 0) return;
    const level = slot >>> LEVEL_BITS;
    this.#summary[level] = (this.#summary[level] as number) & ~(1 << (word & 31));
  }

  #release(place: TimerPlace, index: number): void {
    place.whenMs = Infinity;
    place.index = 0;
    this.#timers[index] = null;
    this.#when[index] = Number.NaN;
    this.#next[index] = this.#free;
    this.#free = index;
    this.#size--;
  }

  #armNever(timer: Timer, whenMs: number): void {
    if (whenMs !== Infinity) throw new RangeError("the time of a timer is NaN");
    this.cancel(timer);
  }

  /** The first occupied slot of a level, or -1. */
  #firstSlot(level: number): number {
    const summary = this.#summary[level] as number;
    if (summary === 0) return -1;
    const word = (level << 5) | lowestBit(summary);
    return (word << 5) | lowestBit(this.#words[word] as number);
  }

  #earliestOf(slot: number): number {
    if (this.#disorder[slot] !== 0) {
      const earliestMs = this.#earliestMs[slot] as number;
      if (this.#when[this.#earliest[slot] as number] === earliestMs) return earliestMs;
      const searches = this.#disorder[slot] as number;
      if (searches <= SEARCHES_BEFORE_SORT) {
        this.#disorder[slot] = searches + 1;
        return this.#searchEarliest(slot);
      }
      this.#sort(slot);
    }
    const first = this.#next[slot] as number;
    return first === slot ? Infinity : (this.#when[first] as number);
  }

  /** Finds and notes the earliest of a list, which is not empty. @returns its time */
  #searchEarliest(slot: number): number {
    const next = this.#next;
    const when = this.#when;
    let earliest = next[slot] as number;
    let earliestMs = when[earliest] as number;
    for (let i = next[earliest] as number; i !== slot; i = next[i] as number) {
      const whenMs = when[i] as number;
      if (whenMs < earliestMs) {
        earliest = i;
        earliestMs = whenMs;
      }
    }
    this.#earliest[slot] = earliest;
    this.#earliestMs[slot] = earliestMs;
    return earliestMs;
  }

  /** Empties a list and places each of its timers anew, in the order they lie. */
  #cascade(slot: number): void {
    let index = this.#next[slot] as number;
    if (index === slot) return;
    this.#next[slot] = slot;
    this.#prev[slot] = slot;
    this.#markEmpty(slot);
    while (index !== slot) {
      const next = this.#next[index] as number;
      this.#place(index, this.#when[index] as number);
      index = next;
    }
  }

  /**
   * Puts a list in order of time; the sort is stable, so equal times stay in the order of
   * arming.
   */
  #sort(slot: number): void {
    const scratch = this.#scratch;
    for (let i = this.#next[slot] as number; i !== slot; i = this.#next[i] as number)
      scratch.push(i);
    scratch.sort(this.#byTime);
    let last = slot;
    for (const index of scratch) {
      this.#next[last] = index;
      this.#prev[index] = last;
      last = index;
    }
    this.#next[last] = slot;
    this.#prev[slot] = last;
    this.#disorder[slot] = 0;
    scratch.length = 0;
  }

  #grow(capacity: number): void {
    const old = this.#next.length;
    this.#next = enlarge(new Int32Array(capacity), this.#next);
    this.#prev = enlarge(new Int32Array(capacity), this.#prev);
    this.#when = enlarge(new Float64Array(capacity), this.#when);
    this.#armedIn = enlarge(new Int32Array(capacity), this.#armedIn);
    for (let index = old; index < capacity; index++) {
      this.#timers.push(null);
      this.#next[index] = index + 1 < capacity ? index + 1 : this.#free;
    }
    this.#free = old;
  }
}

function enlarge<T extends Int32Array | Float64Array>(to: T, from: T): T {
  to.set(from);
  return to;
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
