// A kernel that tests play: it keeps to the contract of native-io/sockets.ts, with memory as small
// as a test wants it, and does what it is told. No addon, no system call, no time of its own.

import { IpAddress } from "../../../src/ip/address.ts";
import {
  AF_INET,
  CONTROL_EVENTS,
  CONTROL_SUBMITTED,
  EVENT_ACCEPTABLE,
  EVENT_DATA,
  EVENT_DATAGRAM,
  EVENT_END,
  EVENT_ERROR,
  EVENT_FIELDS,
  EVENT_HANGUP,
  EVENT_ROOM,
  INFO_UNACKED,
  type NativeSockets,
  OP_RESUME,
  OP_SEND,
  OP_SENDTO,
  OP_SHUTDOWN,
  type SharedSockets,
  SUBMISSION_FIELDS,
} from "../../../src/kernel/native-sockets.ts";
import { inetSockaddr } from "../../../src/kernel/sockaddr.ts";
import type { Endpoint } from "../../../src/transport/stream.ts";

const EBADF = -9;
const EAGAIN = -11;
const SLOT_BITS = 20;
/** Who sends datagrams. */
const FROM = inetSockaddr(AF_INET, IpAddress.v4(0x0a000002), 9);

/** How much the kernel and the memory shared with it can hold. */
export interface FakeSizes {
  readonly sockets?: number;
  readonly rxBytes?: number;
  readonly txBytes?: number;
  readonly submissions?: number;
}

/** One socket of the fake kernel: what it was given, and what it does next. */
export class FakeSocket {
  readonly id: number;
  readonly kernel: FakeKernel;
  /** Bytes that the kernel has taken, in order. */
  readonly taken: number[] = [];
  /** Bytes that it takes before it is full; `admit` makes room. */
  room: number = Number.POSITIVE_INFINITY;
  /** What the next OP_SEND gives instead; then 0. */
  sendError = 0;
  /** What OP_SHUTDOWN gives. */
  shutdownError = 0;
  /** What `socketUnsent` says. */
  unsent = 0;
  /** SO_ERROR. */
  error = 0;
  hasFin = false;
  isOpen = true;
  isReset = false;
  isListener = false;
  /** Connections that wait to be accepted; a number is an errno told in their place. */
  readonly backlog: (FakeSocket | number)[] = [];
  drops = 0;
  /** Receive calls made for it. */
  receives = 0;
  readonly inbox: number[] = [];
  /** Payloads that wait to be received, and that the kernel has taken. */
  readonly datagrams: Uint8Array[] = [];
  readonly takenDatagrams: Uint8Array[] = [];
  #willEnd = false;
  #willFail = 0;
  #isReadable = false;
  #isFull = false;
  #tells: number[] = [];

  constructor(kernel: FakeKernel, id: number) {
    this.kernel = kernel;
    this.id = id;
  }

  get slot(): number {
    return this.id & ((1 << SLOT_BITS) - 1);
  }

  /** Bytes arrive. */
  arrive(bytes: Iterable<number>): void {
    this.inbox.push(...bytes);
    this.#isReadable = true;
  }

  /** A datagram arrives. */
  arriveDatagram(payload: Uint8Array): void {
    this.datagrams.push(payload);
    this.#isReadable = true;
  }

  /** The peer's FIN arrives, after what has arrived before. */
  end(): void {
    this.#willEnd = true;
    this.#isReadable = true;
  }

  /** A reset or another failure arrives. */
  fail(errno: number): void {
    this.#willFail = errno;
    this.error = errno;
    this.#isReadable = true;
  }

  /** There is room for so many bytes more, and the kernel says so if it was full. */
  admit(bytes: number): void {
    this.room += bytes;
    if (this.#isFull && this.room > 0) {
      this.#isFull = false;
      this.tell(EVENT_ROOM);
    }
  }

  /** An event without content. */
  tell(kind: number): void {
    this.#tells.push(kind);
  }

  /** The handshake is over. */
  connected(): void {
    this.tell(EVENT_ROOM);
  }

  /** As OP_SEND. */
  send(bytes: Uint8Array): number {
    if (this.sendError !== 0) {
      const errno = this.sendError;
      this.sendError = 0;
      return errno;
    }
    const count = Math.min(bytes.length, this.room);
    this.taken.push(...bytes.subarray(0, count));
    this.room -= count;
    if (count < bytes.length) this.#isFull = true;
    return count;
  }

  /** As OP_SENDTO: `room` is a number of datagrams. */
  sendTo(bytes: Uint8Array): number {
    if (this.sendError !== 0) {
      const errno = this.sendError;
      this.sendError = 0;
      return errno;
    }
    if (this.room <= 0) {
      this.#isFull = true;
      return EAGAIN;
    }
    this.room--;
    const [addressBytes = 0] = new Int32Array(bytes.buffer, 0, 2);
    this.takenDatagrams.push(bytes.subarray(8 + ((addressBytes + 3) & ~3)));
    return bytes.length - 8 - addressBytes;
  }

  /** As OP_RESUME. */
  resume(): void {
    this.#isReadable = true;
  }

  /** What one poll tells of it. */
  serve(): void {
    const { kernel } = this;
    if (this.#willFail !== 0 && kernel.shared.room[this.slot] === 0) return this.#tellFailure();
    for (const kind of this.#tells.splice(0)) kernel.event(this.id, kind, 0, 0);
    if (!this.#isReadable) return;
    const room = kernel.shared.room[this.slot] as number;
    // Without room it waits for OP_RESUME.
    if (room <= 0) {
      this.#isReadable = false;
      return;
    }
    this.receives++;
    if (this.datagrams.length > 0) return this.#receiveDatagrams(room);
    if (this.inbox.length > 0) return this.#receive(room);
    this.#isReadable = false;
    if (this.#willFail !== 0) this.#tellFailure();
    else if (this.#willEnd) {
      this.#willEnd = false;
      kernel.event(this.id, EVENT_END, 0, 0);
    }
  }

  #receive(room: number): void {
    const { kernel } = this;
    const most = Math.min(room, this.inbox.length, kernel.rxLeft);
    if (most === 0) return;
    const offset = kernel.receive(this.inbox.splice(0, most));
    kernel.event(this.id, EVENT_DATA, offset, most);
  }

  #receiveDatagrams(room: number): void {
    for (let left = room; left > 0 && this.datagrams.length > 0; left--) {
      const payload = this.datagrams[0] as Uint8Array;
      const words = Int32Array.of(FROM.length, payload.length);
      const bytes = [...new Uint8Array(words.buffer), ...FROM, ...payload];
      if (bytes.length > this.kernel.rxLeft) return;
      this.datagrams.shift();
      const offset = this.kernel.receive(bytes);
      this.kernel.event(this.id, EVENT_DATAGRAM, offset, bytes.length);
    }
  }

  #tellFailure(): void {
    this.kernel.event(this.id, EVENT_ERROR, 0, this.#willFail);
    this.#willFail = 0;
    this.error = 0;
    this.#isReadable = false;
  }
}

/** The kernel. */
export class FakeKernel {
  readonly shared: SharedSockets;
  /** By slot. */
  readonly sockets: (FakeSocket | null)[] = [];
  /** Every socket that ever was. */
  readonly all: FakeSocket[] = [];
  /** What was submitted, as `op` and id, in order. */
  readonly log: string[] = [];
  readonly closedDescriptors: number[] = [];
  polls = 0;
  /** Events of the next poll that come before all others. */
  readonly stray: (readonly [id: number, kind: number, offset: number, length: number])[] = [];
  #events = 0;
  #rxUsed = 0;
  #generation = 0;

  constructor({ sockets = 8, rxBytes = 4096, txBytes = 4096, submissions = 64 }: FakeSizes = {}) {
    const rx = new Uint8Array(rxBytes);
    const tx = new Uint8Array(txBytes);
    this.shared = {
      rx,
      rxWords: new Int32Array(rx.buffer),
      tx,
      txWords: new Int32Array(tx.buffer),
      events: new Int32Array(EVENT_FIELDS * 256),
      submissions: new Int32Array(SUBMISSION_FIELDS * submissions),
      maxSubmissions: submissions,
      control: new Int32Array(16),
      room: new Int32Array(sockets),
    };
  }

  /** What `KernelSockets` takes. */
  get native(): NativeSockets {
    return this as unknown as NativeSockets;
  }

  /** Open sockets. */
  get open(): FakeSocket[] {
    return this.sockets.filter((socket) => socket !== null);
  }

  get rxLeft(): number {
    return this.shared.rx.length - this.#rxUsed;
  }

  /** Makes a socket; slots are used again at once, with another generation. */
  make(): FakeSocket {
    let slot = this.sockets.indexOf(null);
    if (slot < 0) slot = this.sockets.length;
    this.#generation = (this.#generation % 2047) + 1;
    const socket = new FakeSocket(this, (this.#generation << SLOT_BITS) | slot);
    this.sockets[slot] = socket;
    this.all.push(socket);
    return socket;
  }

  /** Adds an event to those of this poll. */
  event(id: number, kind: number, offset: number, length: number): void {
    this.shared.events.set([id, kind, offset, length], this.#events++ * EVENT_FIELDS);
  }

  /** Puts received bytes where those of this poll lie. @returns their offset */
  receive(bytes: readonly number[]): number {
    const at = this.#rxUsed;
    this.shared.rx.set(bytes, at);
    this.#rxUsed = Math.min(this.shared.rx.length, (at + bytes.length + 7) & ~7);
    return at;
  }

  // --- NativeSockets ----------------------------------------------------------------------------

  poll(): number {
    this.polls++;
    this.#events = 0;
    this.#rxUsed = 0;
    // What was received before is gone now.
    this.shared.rx.fill(0xee);
    const count = this.submit();
    for (const event of this.stray.splice(0)) this.event(...event);
    for (const socket of [...this.sockets]) socket?.serve();
    this.shared.control[CONTROL_EVENTS] = this.#events;
    return count + this.#events;
  }

  submit(): number {
    const { control, submissions } = this.shared;
    const count = control[CONTROL_SUBMITTED] as number;
    const short = new Set<number>();
    for (let i = 0; i < count; i++) {
      const [id, op, offset, length] = submissions.subarray(i * SUBMISSION_FIELDS) as unknown as [
        number,
        number,
        number,
        number,
      ];
      submissions[i * SUBMISSION_FIELDS + 3] = this.#submit(id, op, offset, length, short);
    }
    // The arena is the next round's.
    this.#spoilLater();
    control[CONTROL_SUBMITTED] = 0;
    return count;
  }

  accept(id: number): number {
    const listener = this.#find(id);
    if (listener === null) return EBADF;
    const next = listener.backlog.shift() ?? EAGAIN;
    return typeof next === "number" ? next : next.id;
  }

  get acceptedFrom(): Endpoint {
    return { host: "10.0.0.2", port: 2 };
  }

  info(id: number): Float64Array {
    const info = new Float64Array(32);
    info[INFO_UNACKED] = this.#find(id)?.backlog.length ?? 0;
    return info;
  }

  drops(id: number): number {
    return this.#find(id)?.drops ?? 0;
  }

  name(id: number, isPeer: boolean): Endpoint {
    if (this.#find(id) === null) return { host: "", port: 0 };
    return { host: isPeer ? "10.0.0.2" : "10.0.0.1", port: isPeer ? 2 : 1 };
  }

  error(id: number): number {
    const socket = this.#find(id);
    const errno = socket?.error ?? EBADF;
    if (socket !== null) socket.error = 0;
    return errno;
  }

  unsent(id: number): number {
    return this.#find(id)?.unsent ?? EBADF;
  }

  option(): number {
    return 0;
  }

  close(id: number, isReset: boolean): void {
    const socket = this.#find(id);
    if (socket === null) throw new Error(`closed twice: ${id}`);
    socket.isOpen = false;
    socket.isReset = isReset;
    this.sockets[socket.slot] = null;
  }

  closeDescriptor(fd: number): void {
    this.closedDescriptors.push(fd);
  }

  #submit(id: number, op: number, offset: number, length: number, short: Set<number>): number {
    const socket = this.#find(id);
    if (socket === null) return EBADF;
    this.log.push(`${OP_NAMES[op]} ${socket.slot}${op === OP_SEND ? ` ${length}` : ""}`);
    if (op === OP_SEND) {
      if (short.has(id)) return 0;
      if (socket.hasFin) throw new Error("bytes after the end of the stream");
      const result = socket.send(this.shared.tx.slice(offset, offset + length));
      if (result < length) short.add(id);
      return result;
    }
    if (op === OP_SENDTO) return socket.sendTo(this.shared.tx.slice(offset, offset + length));
    if (op === OP_SHUTDOWN) {
      if (socket.shutdownError === 0) socket.hasFin = true;
      return socket.shutdownError;
    }
    if (op === OP_RESUME) socket.resume();
    return 0;
  }

  /** Nothing may rely on more than what the contract says lies there. */
  #spoilLater(): void {
    const { submissions, control } = this.shared;
    submissions.fill(-1, (control[CONTROL_SUBMITTED] as number) * SUBMISSION_FIELDS);
  }

  #find(id: number): FakeSocket | null {
    const socket = this.sockets[id & ((1 << SLOT_BITS) - 1)] ?? null;
    return socket?.id === id ? socket : null;
  }
}

const OP_NAMES: Readonly<Record<number, string>> = {
  [OP_SEND]: "send",
  [OP_SENDTO]: "sendto",
  [OP_SHUTDOWN]: "shutdown",
  [OP_RESUME]: "resume",
};

export { EVENT_ACCEPTABLE, EVENT_HANGUP, EVENT_ROOM };
