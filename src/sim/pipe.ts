// SPDX-License-Identifier: MIT
// One direction of a link. A frame that enters goes through, in this order: partition, rules, MTU,
// loss, queue and bandwidth, delay and jitter, duplication, corruption, reordering; then it is on
// the agenda until it arrives. Each effect draws from a generator of its own, so that turning one
// on or off leaves what the others do as it was.

import {
  changeConditions,
  type FullConditions,
  type LinkConditions,
  PERFECT,
} from "./conditions.ts";
import type { FrameRecorder, FrameSink } from "./frame-sink.ts";
import { FrameView } from "./frame-view.ts";
import type { Arrival, InFlight } from "./in-flight.ts";
import type { Medium } from "./medium.ts";
import type { Random } from "./random.ts";
import { checkedVerdict, type Rule, type RuleContext } from "./rules.ts";
import { SendQueue } from "./send-queue.ts";
import {
  FATE_CHANGED_BY_RULE,
  FATE_CORRUPTED,
  FATE_DROPPED_BY_RULE,
  FATE_DUPLICATE,
  FATE_HELD_BACK,
  FATE_LOST,
  FATE_PARTITIONED,
  FATE_POOL_FULL,
  FATE_QUEUE_FULL,
  FATE_SENT,
  FATE_TOO_LARGE,
} from "./trace.ts";

const ETHERNET_BYTES = 14;

/** Counters of one direction of a link. All only grow, but `queued*` and `underWay`. */
export class PipeStatistics {
  /** Frames that entered, and their bytes. */
  sent = 0;
  sentBytes = 0;
  /** Frames that came out at the other end, duplicates included. */
  delivered = 0;
  deliveredBytes = 0;
  lost = 0;
  duplicated = 0;
  reordered = 0;
  corrupted = 0;
  queueFull = 0;
  tooLarge = 0;
  partitioned = 0;
  droppedByRule = 0;
  delayedByRule = 0;
  changedByRule = 0;
  /** Dropped because the network had too many frames under way. */
  poolFull = 0;
  /** Came out where nobody was: unplugged, or the host has crashed. */
  unclaimed = 0;
  /** Frames waiting to be sent, as of the last frame that entered. */
  queuedFrames = 0;
  queuedBytes = 0;
  /** Frames under way now. */
  underWay = 0;
}

/**
 * One direction of a link.
 *
 * @example
 * ```ts
 * import { simulate } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   const up = net.host("a").link.from("a");
 *   up.set({ loss: 0.1 });
 *   console.log(up.statistics.lost);
 * });
 * ```
 */
export class Pipe implements FrameSink, Arrival, RuleContext {
  readonly link: string;
  readonly from: string;
  readonly to: string;
  readonly statistics: PipeStatistics = new PipeStatistics();
  readonly rules: Rule[] = [];
  readonly capturesAtSender: FrameRecorder[] = [];
  readonly capturesAtReceiver: FrameRecorder[] = [];
  /** Where frames come out; null: nowhere. */
  sink: FrameSink | null = null;
  isPartitioned = false;
  /** For rules: now, and the frames that entered before this one. */
  nowMs = 0;
  index = 0;

  private readonly medium: Medium;
  private readonly id: number;
  private conditions: FullConditions = PERFECT;
  private readonly queue: SendQueue = new SendQueue();
  private readonly lossRandom: Random;
  private readonly jitterRandom: Random;
  private readonly duplicateRandom: Random;
  private readonly reorderRandom: Random;
  private readonly corruptRandom: Random;
  private readonly view: FrameView = new FrameView();
  /** When the previous frame in order arrives: jitter must not overtake it. */
  private lastDueMs = 0;
  private laterMs = 0;

  constructor(medium: Medium, link: string, from: string, to: string, isFromSwitch: boolean) {
    this.medium = medium;
    this.link = link;
    this.from = from;
    this.to = to;
    this.id = medium.trace.addDirection({ link, from, to, isFromSwitch });
    const random = medium.random.fork(`link ${link}`).fork(`${from} > ${to}`);
    this.lossRandom = random.fork("loss");
    this.jitterRandom = random.fork("jitter");
    this.duplicateRandom = random.fork("duplicate");
    this.reorderRandom = random.fork("reorder");
    this.corruptRandom = random.fork("corrupt");
  }

  /** The conditions in force. */
  get current(): FullConditions {
    return this.conditions;
  }

  /**
   * Changes conditions; frames under way keep their arrival times.
   *
   * @param change - what to change; the rest stays
   */
  set(change: LinkConditions): void {
    this.conditions = changeConditions(this.conditions, change);
  }

  /** Takes a frame in at this end. */
  receive(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    const statistics = this.statistics;
    statistics.sent++;
    statistics.sentBytes += length;
    const frame = this.medium.agenda.take(bytes, offset, length);
    if (frame === null) {
      statistics.poolFull++;
      this.medium.hash.addNumbers(nowMs, this.id * 256 + FATE_POOL_FULL);
      return;
    }
    for (const capture of this.capturesAtSender) capture.record(frame.bytes, 0, length, nowMs);
    this.nowMs = nowMs;
    this.laterMs = 0;
    if (this.isPartitioned) {
      statistics.partitioned++;
      this.end(frame, FATE_PARTITIONED);
    } else if (this.rules.length === 0) {
      this.pass(frame, FATE_SENT);
    } else {
      this.judge(frame);
    }
    this.index++;
  }

  /** Takes a frame out at the other end. */
  arrive(frame: InFlight, nowMs: number): void {
    const statistics = this.statistics;
    statistics.underWay--;
    if (this.isPartitioned) {
      statistics.partitioned++;
      return;
    }
    for (const capture of this.capturesAtReceiver) {
      capture.record(frame.bytes, 0, frame.length, nowMs);
    }
    if (this.sink === null) {
      statistics.unclaimed++;
      return;
    }
    statistics.delivered++;
    statistics.deliveredBytes += frame.length;
    this.sink.receive(frame.bytes, 0, frame.length, nowMs);
  }

  // Each rule sees what the one before it made of the frame.
  private judge(original: InFlight): void {
    let frame = original;
    let fate = FATE_SENT;
    for (const rule of [...this.rules]) {
      const bytes = frame.bytes.subarray(0, frame.length);
      const verdict = checkedVerdict(rule.decide(this.view.parse(bytes), this));
      rule.seen++;
      if (verdict === "pass") continue;
      rule.hits++;
      if (verdict === "drop") {
        this.statistics.droppedByRule++;
        this.end(frame, FATE_DROPPED_BY_RULE);
        return;
      }
      if ("laterMs" in verdict) {
        this.statistics.delayedByRule++;
        this.laterMs += verdict.laterMs;
        fate |= FATE_HELD_BACK;
        continue;
      }
      this.statistics.changedByRule++;
      fate |= FATE_CHANGED_BY_RULE;
      const changed = this.medium.agenda.take(verdict.bytes, 0, verdict.bytes.length);
      if (changed === null) {
        this.statistics.poolFull++;
        this.end(frame, FATE_POOL_FULL);
        return;
      }
      this.medium.agenda.release(frame);
      frame = changed;
    }
    this.pass(frame, fate);
  }

  private pass(frame: InFlight, rulesFate: number): void {
    const conditions = this.conditions;
    const statistics = this.statistics;
    if (frame.length > conditions.mtu + ETHERNET_BYTES) {
      statistics.tooLarge++;
      this.end(frame, FATE_TOO_LARGE | rulesFate);
      return;
    }
    if (conditions.loss > 0 && this.lossRandom.float() < conditions.loss) {
      statistics.lost++;
      this.end(frame, FATE_LOST | rulesFate);
      return;
    }
    const sentMs = this.queue.enter(frame.length, this.nowMs, conditions);
    statistics.queuedFrames = this.queue.frames;
    statistics.queuedBytes = this.queue.bytes;
    if (sentMs < 0) {
      statistics.queueFull++;
      this.end(frame, FATE_QUEUE_FULL | rulesFate);
      return;
    }
    this.deliver(frame, sentMs + this.delayMs(), rulesFate);
  }

  private delayMs(): number {
    const { delayMs, jitterMs } = this.conditions;
    return jitterMs > 0 ? delayMs + this.jitterRandom.float() * jitterMs : delayMs;
  }

  private deliver(frame: InFlight, arrivalMs: number, rulesFate: number): void {
    const conditions = this.conditions;
    const statistics = this.statistics;
    let dueMs = Math.max(arrivalMs, this.lastDueMs);
    let fate = rulesFate;
    let twin: InFlight | null = null;
    if (conditions.duplicate > 0 && this.duplicateRandom.float() < conditions.duplicate) {
      twin = this.medium.agenda.take(frame.bytes, 0, frame.length);
    }
    if (conditions.corrupt > 0 && this.corruptRandom.float() < conditions.corrupt) {
      statistics.corrupted++;
      fate |= FATE_CORRUPTED;
      this.corrupt(frame);
    }
    if (conditions.reorder > 0 && this.reorderRandom.float() < conditions.reorder) {
      statistics.reordered++;
      fate |= FATE_HELD_BACK;
      this.laterMs += conditions.reorderMs;
    }
    if (this.laterMs > 0) dueMs += this.laterMs;
    else this.lastDueMs = dueMs;
    this.launch(frame, dueMs, fate);
    if (twin !== null) {
      statistics.duplicated++;
      this.launch(twin, dueMs, FATE_DUPLICATE);
    }
  }

  private launch(frame: InFlight, dueMs: number, fate: number): void {
    this.note(frame, fate, dueMs);
    this.statistics.underWay++;
    const agenda = this.medium.agenda;
    const isNext = dueMs < agenda.nextMs();
    agenda.push(frame, dueMs, this);
    if (isNext && this.medium.onAgenda !== null) this.medium.onAgenda();
  }

  private end(frame: InFlight, fate: number): void {
    this.note(frame, fate, -1);
    this.medium.agenda.release(frame);
  }

  private note(frame: InFlight, fate: number, dueMs: number): void {
    const { hash, trace } = this.medium;
    hash.addNumbers(this.nowMs, dueMs);
    hash.addBlock(this.id, fate, frame.length, 0);
    hash.addWords(frame.words, frame.length);
    trace.record(this.nowMs, this.id, fate, frame.bytes, frame.length);
  }

  private corrupt(frame: InFlight): void {
    if (frame.length === 0) return;
    const at = this.corruptRandom.below(frame.length);
    const old = frame.bytes[at] as number;
    if (this.conditions.corruptUnit === "bit") {
      frame.bytes[at] = old ^ (1 << this.corruptRandom.below(8));
    } else {
      frame.bytes[at] = old ^ this.corruptRandom.between(1, 255);
    }
  }
}
