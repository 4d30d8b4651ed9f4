// A poller of the kernel's sockets as a test likes it: events and submissions as objects, every
// result of the addon as it is.

import { describe, it } from "vitest";
import {
  AF_INET,
  CONTROL_EVENTS,
  CONTROL_SUBMITTED,
  DATAGRAM_HEADER_BYTES,
  EVENT_DATA,
  EVENT_DATAGRAM,
  EVENT_DATAGRAM_TRUNCATED,
  EVENT_FIELDS,
  EVENT_WRITABLE,
  INFO_FIELDS,
  OP_RESUME,
  OP_SEND,
  OP_SENDTO,
  OP_SHUTDOWN,
  type OpenedSockets,
  openSockets,
  requireSockets,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOCKADDR_BYTES,
  SOCKET_STATUS_FIELDS,
  type SocketsAddon,
  type SocketsOptions,
  SUBMISSION_FIELDS,
  SUBMISSION_LENGTH,
  whyNoSockets,
} from "../../native-io/sockets.ts";

export const EAGAIN = -11;
export const EBADF = -9;
export const EINVAL = -22;
export const ENFILE = -23;
export const EINPROGRESS = -115;
export const ECONNRESET = -104;
export const ECONNREFUSED = -111;

/** `describe` where the addon is built; in CI it has to be. */
export function describeWithSockets(name: string, body: () => void): void {
  const reason = whyNoSockets();
  if (reason === null || process.env["CARAWAY_REQUIRE_NIC"] === "1") describe(name, body);
  else it(name, (context) => context.skip(`skip: ${reason}`));
}

/** How long a test waits for the kernel: only a lost event makes it wait that long. */
const PATIENCE_MS = 5000;
const SLOT_MASK = 2 ** 20 - 1;

/** One event, its bytes copied. */
export interface SocketEvent {
  readonly id: number;
  readonly kind: number;
  readonly length: number;
  /** Of a stream. */
  readonly bytes?: Uint8Array;
  /** Of a datagram. */
  readonly datagram?: ReceivedDatagram;
}

/** What lies in rx for a datagram. */
export interface ReceivedDatagram {
  readonly sockaddr: Uint8Array;
  readonly payload: Uint8Array;
  readonly payloadBytes: number;
}

/** The sockaddr_in of an address: "127.0.0.1", 80. */
export function sockaddrIn(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new Uint16Array(bytes.buffer)[0] = AF_INET;
  new DataView(bytes.buffer).setUint16(2, port);
  bytes.set(address.split(".").map(Number), 4);
  return bytes;
}

/** The port in a sockaddr_in or sockaddr_in6. */
export function portOf(sockaddr: Uint8Array): number {
  return new DataView(sockaddr.buffer, sockaddr.byteOffset).getUint16(2);
}

/** The sockaddr_un of a path, or of an abstract name that begins with a zero byte. */
export function sockaddrUn(name: string): Uint8Array {
  const text = new TextEncoder().encode(name.startsWith("\0") ? name : `${name}\0`);
  const bytes = new Uint8Array(2 + text.length);
  bytes[new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1] = 1;
  bytes.set(text, 2);
  return bytes;
}

export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Bytes that differ from place to place, so that a wrong order shows. */
export function pattern(length: number, start = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((i + start) * 31 + ((i + start) >> 8)) & 255);
}

export class Poller {
  readonly addon: SocketsAddon;
  readonly opened: OpenedSockets;
  readonly control: Int32Array;
  readonly room: Int32Array;
  readonly status: Float64Array;
  /** Room that every new socket gets. */
  defaultRoom = 65_536;
  private readonly bytes: Uint8Array;
  private readonly events: Int32Array;
  private readonly submissions: Int32Array;
  private txUsed = 0;

  constructor(options: SocketsOptions = {}) {
    this.addon = requireSockets();
    const opened = openSockets({ maxSockets: 4096, ...options });
    this.opened = opened;
    const ints = (offset: number, length: number) => new Int32Array(opened.buffer, offset, length);
    this.control = ints(opened.controlOffset, 16);
    this.room = ints(opened.roomOffset, opened.maxSockets);
    this.events = ints(opened.eventsOffset, opened.events * EVENT_FIELDS);
    this.submissions = ints(opened.submissionsOffset, opened.submissions * SUBMISSION_FIELDS);
    this.status = new Float64Array(opened.buffer, opened.statusOffset, SOCKET_STATUS_FIELDS);
    this.bytes = new Uint8Array(opened.buffer);
  }

  get handle(): number {
    return this.opened.handle;
  }

  close(): void {
    this.addon.close(this.handle);
  }

  /** Notes a new socket's room and returns its id; a failure is an error of the test. */
  take(id: number): number {
    if (id <= 0) throw new Error(`no socket: ${id}`);
    this.setRoom(id, this.defaultRoom);
    return id;
  }

  setRoom(id: number, room: number): void {
    this.room[id & SLOT_MASK] = room;
  }

  // ---- Making sockets.

  open(family: number, type: number, netns = ""): number {
    return this.take(this.addon.socketOpen(this.handle, family, type, netns));
  }

  /** A listener on a free port of 127.0.0.1, or wherever. */
  listen(sockaddr: Uint8Array = sockaddrIn("127.0.0.1", 0), backlog = 511, netns = ""): number {
    const id = this.open(sockaddr[0] as number, SOCK_STREAM, netns);
    ok(this.addon.socketBind(this.handle, id, sockaddr));
    ok(this.addon.socketListen(this.handle, id, backlog));
    return id;
  }

  name(id: number, isPeer = false): Uint8Array {
    const into = new Uint8Array(SOCKADDR_BYTES);
    return into.subarray(0, ok(this.addon.socketName(this.handle, id, isPeer, into)));
  }

  connect(to: Uint8Array, netns = ""): number {
    const id = this.open(to[0] as number, SOCK_STREAM, netns);
    const result = this.addon.socketConnect(this.handle, id, to);
    if (result !== 0 && result !== EINPROGRESS) throw new Error(`connect: ${result}`);
    return id;
  }

  accept(listener: number, peer?: Uint8Array): number {
    return this.addon.socketAccept(this.handle, listener, peer);
  }

  /** A TCP connection to itself: its two ends, with all events of its making taken. */
  tcpPair(listener: number = this.listen()): [client: number, server: number] {
    const client = this.connect(this.name(listener));
    this.until((events) => events.some((each) => each.id === client));
    const server = this.take(this.accept(listener));
    this.settle();
    return [client, server];
  }

  unixPair(): [one: number, other: number] {
    const ids = new Int32Array(2);
    ok(this.addon.socketPair(this.handle, ids));
    const [one, other] = ids as unknown as [number, number];
    return [this.take(one), this.take(other)];
  }

  /** A UDP socket bound to a free port of 127.0.0.1. */
  udp(): number {
    const id = this.open(AF_INET, SOCK_DGRAM);
    ok(this.addon.socketBind(this.handle, id, sockaddrIn("127.0.0.1", 0)));
    return id;
  }

  socketClose(id: number, isReset = false): number {
    return this.addon.socketClose(this.handle, id, isReset);
  }

  unsent(id: number): number {
    return this.addon.socketUnsent(this.handle, id);
  }

  info(id: number): Float64Array {
    const into = new Float64Array(INFO_FIELDS);
    ok(this.addon.socketInfo(this.handle, id, into));
    return into;
  }

  // ---- Submitting. Each returns the index at which `result` finds what became of it.

  submit(id: number, op: number, offset: number, length: number): number {
    const index = this.control[CONTROL_SUBMITTED] as number;
    this.submissions.set([id, op, offset, length], index * SUBMISSION_FIELDS);
    this.control[CONTROL_SUBMITTED] = index + 1;
    return index;
  }

  send(id: number, bytes: Uint8Array | string): number {
    const data = typeof bytes === "string" ? textBytes(bytes) : bytes;
    return this.submit(id, OP_SEND, this.putTx(data), data.length);
  }

  sendTo(id: number, to: Uint8Array, payload: Uint8Array | string): number {
    const data = typeof payload === "string" ? textBytes(payload) : payload;
    const padded = (to.length + 3) & ~3;
    const whole = new Uint8Array(DATAGRAM_HEADER_BYTES + padded + data.length);
    new Int32Array(whole.buffer, 0, 1)[0] = to.length;
    whole.set(to, DATAGRAM_HEADER_BYTES);
    whole.set(data, DATAGRAM_HEADER_BYTES + padded);
    return this.submit(id, OP_SENDTO, this.putTx(whole), whole.length);
  }

  shutdown(id: number): number {
    return this.submit(id, OP_SHUTDOWN, 0, 0);
  }

  resume(id: number): number {
    return this.submit(id, OP_RESUME, 0, 0);
  }

  /** What the last poll left for a submission. */
  result(index: number): number {
    return this.submissions[index * SUBMISSION_FIELDS + SUBMISSION_LENGTH] as number;
  }

  private putTx(data: Uint8Array): number {
    const offset = this.txUsed;
    if (offset + data.length > this.opened.txBytes) throw new Error("tx is full");
    this.bytes.set(data, this.opened.txOffset + offset);
    this.txUsed = (offset + data.length + 3) & ~3;
    return offset;
  }

  // ---- Polling.

  /** One poll and its events. */
  poll(): SocketEvent[] {
    const submitted = this.control[CONTROL_SUBMITTED] as number;
    const work = this.addon.poll(this.handle);
    this.txUsed = 0;
    const count = this.control[CONTROL_EVENTS] as number;
    if (work !== submitted + count) throw new Error(`poll: ${work}, not ${submitted} + ${count}`);
    return Array.from({ length: count }, (_, index) => this.event(index));
  }

  private event(index: number): SocketEvent {
    const fields = this.events.subarray(index * EVENT_FIELDS, (index + 1) * EVENT_FIELDS);
    const [id, kind, offset, length] = fields as unknown as [number, number, number, number];
    const at = this.opened.rxOffset + offset;
    if (kind === EVENT_DATA) return { id, kind, length, bytes: this.bytes.slice(at, at + length) };
    if (kind !== EVENT_DATAGRAM && kind !== EVENT_DATAGRAM_TRUNCATED) return { id, kind, length };
    const header = new Int32Array(this.opened.buffer, at, 2);
    const [addressBytes, payloadBytes] = header as unknown as [number, number];
    const begin = at + DATAGRAM_HEADER_BYTES;
    const sockaddr = this.bytes.slice(begin, begin + addressBytes);
    const payload = this.bytes.slice(begin + ((addressBytes + 3) & ~3), at + length);
    return { id, kind, length, datagram: { sockaddr, payload, payloadBytes } };
  }

  /** Polls until the events so far are enough, and returns them. */
  until(isEnough: (events: readonly SocketEvent[]) => boolean): SocketEvent[] {
    const events: SocketEvent[] = [];
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      events.push(...this.poll());
      if (isEnough(events)) return events;
      if (performance.now() > end) {
        throw new Error(`gave up waiting; ${events.map((each) => `${each.id}:${each.kind}`)}`);
      }
    }
  }

  untilKind(id: number, kind: number): SocketEvent[] {
    return this.until((events) => events.some((each) => each.id === id && each.kind === kind));
  }

  untilWritable(id: number): void {
    this.untilKind(id, EVENT_WRITABLE);
  }

  /** Polls until nothing more comes: for events that must not come, and to begin afresh. */
  settle(): SocketEvent[] {
    const events: SocketEvent[] = [];
    for (let quiet = 0; quiet < 20; quiet++) {
      const more = this.poll();
      if (more.length > 0) quiet = 0;
      events.push(...more);
    }
    return events;
  }

  /** Polls until that many bytes of a stream are there, and returns them. */
  receive(id: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    let got = 0;
    this.until((events) => {
      const mine = events.filter((each) => each.id === id && each.bytes !== undefined);
      got = mine.reduce((sum, each) => sum + each.length, 0);
      if (got < count) return false;
      let at = 0;
      for (const each of mine) {
        bytes.set((each.bytes as Uint8Array).subarray(0, count - at), at);
        at += each.length;
      }
      return true;
    });
    if (got > count) throw new Error(`${got} bytes, not ${count}`);
    return bytes;
  }
}

/** The result, unless it is an error. */
export function ok(result: number): number {
  if (result < 0) throw new Error(`errno ${result}`);
  return result;
}
