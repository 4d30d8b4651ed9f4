// SPDX-License-Identifier: MIT
// A driver whose far end is a TCP client without a stack: it answers each frame of the server by
// patching numbers into a template, so that next to nothing but the server is at work. Between two
// calls of `poll` lies the server's own time; it is taken here, in windows, and its median is not
// moved by whatever else the machine does.

import {
  CONTROL_FIELDS,
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  type Driver,
  type DriverCapabilities,
  type DriverStatistics,
  RX_CHECKSUM_VALID,
  TX_HEAD,
  TX_TAIL,
} from "../src/link/driver.ts";
import { ARP_REQUEST, writeArp } from "../src/wire/arp.ts";
import { ETHERTYPE_ARP, ETHERTYPE_IPV4, writeEthernet } from "../src/wire/ethernet.ts";
import { writeIpv4 } from "../src/wire/ipv4.ts";
import { ACK, FIN, PSH, SYN, writeTcpHeader } from "../src/wire/tcp.ts";
import { writeTcpOptions } from "../src/wire/tcp-options.ts";

/** What the client does once a connection stands. */
export type PeerMode = "idle" | "echo" | "life";

const SERVER_IP = 0x0a000001;
const CLIENT_IP = 0x0a000002;
const SERVER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const CLIENT_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
const BROADCAST_MAC = new Uint8Array(6).fill(255);
const FIRST_PORT = 1_024;
const SLOT_BYTES = 2_048;
const RX_SLOTS = 256;
const TX_SLOTS = 512;
const TCP_AT = 34;
const REQUEST_BYTES = 64;
const SEND_SYN = 0;
const SEND_ACK = 1;
const SEND_REQUEST = 2;
const SEND_FIN = 3;
const SEND_ARP = 4;
const KINDS = 5;
/** Answers per window: so few that most windows pass without the machine doing something else. */
const WINDOW = 32;

/** The client and the driver in one. */
export class TcpPeer implements Driver {
  readonly name = "bench";
  readonly isReal = false;
  readonly macAddress: Uint8Array = SERVER_MAC;
  readonly capabilities: DriverCapabilities = {
    mtu: 1_500,
    checksumTx: true,
    checksumRx: true,
    tsoMaxBytes: 0,
    canWake: false,
  };
  readonly frames: Uint8Array = new Uint8Array((RX_SLOTS + TX_SLOTS) * SLOT_BYTES);
  readonly rx: Int32Array = new Int32Array(RX_SLOTS * DESCRIPTOR_FIELDS);
  readonly tx: Int32Array = new Int32Array(TX_SLOTS * DESCRIPTOR_FIELDS);
  readonly txSlots: number = TX_SLOTS;
  readonly txFrameBytes: number = SLOT_BYTES;
  readonly control: Int32Array = new Int32Array(CONTROL_FIELDS);
  /** Connections that stand, lives that have ended, answers that have come, polls in all. */
  opened = 0;
  lives = 0;
  answers = 0;
  polls = 0;
  /** The server's time per answer (per life, per empty round), microseconds, one per window. */
  windowsUs: number[] = [];
  mode: PeerMode = "idle";
  readonly #serverPort: number;
  readonly #view: DataView = new DataView(this.frames.buffer);
  readonly #queue: Int32Array;
  readonly #seq: Int32Array;
  readonly #ack: Int32Array;
  readonly #echo: Int32Array;
  readonly #templates: Uint8Array[] = [];
  #queueHead = 0;
  #queueTail = 0;
  #serverSinceMs = 0;
  #windowMs = 0;
  #windowCount = 0;

  /** @param connections - how many there may be, up to 64,511 */
  constructor(serverPort: number, connections: number) {
    this.#serverPort = serverPort;
    this.#queue = new Int32Array(2 ** Math.ceil(Math.log2(connections * 2 + 16)));
    this.#seq = new Int32Array(connections);
    this.#ack = new Int32Array(connections);
    this.#echo = new Int32Array(connections);
    for (let slot = 0; slot < TX_SLOTS; slot++) {
      this.tx[slot * DESCRIPTOR_FIELDS + DESCRIPTOR_OFFSET] = (RX_SLOTS + slot) * SLOT_BYTES;
    }
    for (let kind = 0; kind < KINDS; kind++) this.#templates.push(this.#template(kind));
    // The server learns our MAC address from this request.
    this.#send(SEND_ARP, 0);
  }

  /** Begins connections `from` to `to` - 1. */
  open(from: number, to: number): void {
    for (let index = from; index < to; index++) this.#send(SEND_SYN, index);
  }

  /** Begins a request on each of the first `connections`, in mode "echo". */
  start(connections: number): void {
    this.mode = "echo";
    for (let index = 0; index < connections; index++) this.#send(SEND_REQUEST, index);
  }

  /** Forgets what was measured so far. */
  clear(): void {
    this.windowsUs = [];
    this.#windowMs = 0;
    this.#windowCount = 0;
  }

  poll(nowMs: number): number {
    const startMs = performance.now();
    const before = this.mode === "life" ? this.lives : this.answers;
    const { control, tx } = this;
    const tail = control[TX_TAIL] as number;
    for (let at = control[TX_HEAD] as number; at !== tail; at = (at + 1) | 0) {
      const slot = (at & (TX_SLOTS - 1)) * DESCRIPTOR_FIELDS;
      this.#take(tx[slot + DESCRIPTOR_OFFSET] as number, tx[slot + DESCRIPTOR_LENGTH] as number);
    }
    control[TX_HEAD] = tail;
    const after = this.mode === "life" ? this.lives : this.answers;
    this.#account(startMs - this.#serverSinceMs, this.mode === "idle" ? 1 : after - before);
    this.polls++;
    let count = 0;
    while (count < RX_SLOTS && this.#queueHead !== this.#queueTail) this.#emit(count++, nowMs);
    this.#serverSinceMs = performance.now();
    return count;
  }

  armWake(): boolean {
    return false;
  }

  disarmWake(): void {}

  close(): void {}

  statistics(): DriverStatistics {
    const { polls } = this;
    return { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0, polls };
  }

  #account(ms: number, count: number): void {
    this.#windowMs += ms;
    this.#windowCount += count;
    if (this.#windowCount < WINDOW) return;
    this.windowsUs.push((this.#windowMs * 1_000) / this.#windowCount);
    this.#windowMs = 0;
    this.#windowCount = 0;
  }

  #send(kind: number, index: number): void {
    this.#queue[this.#queueTail++ & (this.#queue.length - 1)] = index * KINDS + kind;
  }

  /** A frame of the server's. */
  #take(at: number, length: number): void {
    const view = this.#view;
    if (view.getUint16(at + 12) === ETHERTYPE_ARP) {
      if (view.getUint16(at + 20) === ARP_REQUEST) this.#send(SEND_ARP, 0);
      return;
    }
    const tcp = at + TCP_AT;
    const index = view.getUint16(tcp + 2) - FIRST_PORT;
    const flags = view.getUint8(tcp + 13);
    const headerBytes = (view.getUint8(tcp + 12) >> 4) * 4;
    const payloadBytes = length - TCP_AT - headerBytes;
    const isOpening = (flags & SYN) !== 0;
    const more = payloadBytes + (isOpening || (flags & FIN) !== 0 ? 1 : 0);
    // MSS and SACK-permitted stand before the timestamps of a SYN; NOP NOP before all others.
    const stamp = isOpening ? this.#stampOfSyn(tcp + 20, headerBytes - 20) : tcp + 24;
    if (stamp > 0) this.#echo[index] = view.getInt32(stamp);
    if (more === 0) return;
    this.#ack[index] = (view.getInt32(tcp + 4) + more) | 0;
    this.#seq[index] = view.getInt32(tcp + 8);
    if (isOpening) this.#opened(index);
    else if ((flags & FIN) !== 0) this.#ended(index);
    else if (payloadBytes > 0) this.#answered(index);
  }

  #stampOfSyn(at: number, bytes: number): number {
    for (let i = 0; i < bytes; ) {
      const kind = this.#view.getUint8(at + i);
      if (kind === 8) return at + i + 2;
      i += kind === 1 ? 1 : Math.max(2, this.#view.getUint8(at + i + 1));
    }
    return 0;
  }

  #opened(index: number): void {
    this.opened++;
    this.#send(this.mode === "life" ? SEND_REQUEST : SEND_ACK, index);
  }

  #answered(index: number): void {
    this.answers++;
    if (this.mode !== "idle") this.#send(this.mode === "life" ? SEND_FIN : SEND_REQUEST, index);
  }

  #ended(index: number): void {
    this.lives++;
    this.#send(SEND_ACK, index);
    if (this.mode === "life") this.#send(SEND_SYN, index);
  }

  #template(kind: number): Uint8Array {
    const bytes = new Uint8Array(256);
    if (kind === SEND_ARP) {
      writeEthernet(bytes, 0, BROADCAST_MAC, CLIENT_MAC, ETHERTYPE_ARP);
      writeArp(bytes, 14, ARP_REQUEST, CLIENT_MAC, CLIENT_IP, new Uint8Array(6), SERVER_IP);
      return bytes.slice(0, 42);
    }
    const isSyn = kind === SEND_SYN;
    const options = writeTcpOptions(
      bytes,
      TCP_AT + 20,
      isSyn ? 1_460 : 0,
      isSyn ? 7 : -1,
      true,
      1,
      0,
    );
    const payload = kind === SEND_REQUEST ? REQUEST_BYTES : 0;
    const flags = [SYN, ACK, ACK | PSH, ACK | FIN][kind] as number;
    const headerBytes = 20 + options;
    writeTcpHeader(bytes, TCP_AT, 0, this.#serverPort, 0, 0, flags, 0xffff, 0, headerBytes);
    writeIpv4(bytes, 14, 20 + headerBytes + payload, 64, 6, CLIENT_IP, SERVER_IP);
    writeEthernet(bytes, 0, SERVER_MAC, CLIENT_MAC, ETHERTYPE_IPV4);
    return bytes.slice(0, TCP_AT + headerBytes + payload);
  }

  #emit(slot: number, nowMs: number): void {
    const message = this.#queue[this.#queueHead++ & (this.#queue.length - 1)] as number;
    const kind = message % KINDS;
    const index = (message - kind) / KINDS;
    const template = this.#templates[kind] as Uint8Array;
    const at = slot * SLOT_BYTES;
    this.frames.set(template, at);
    this.rx[slot * DESCRIPTOR_FIELDS + DESCRIPTOR_OFFSET] = at;
    this.rx[slot * DESCRIPTOR_FIELDS + DESCRIPTOR_LENGTH] = template.length;
    this.rx[slot * DESCRIPTOR_FIELDS + DESCRIPTOR_FLAGS] = RX_CHECKSUM_VALID;
    if (kind === SEND_ARP) return;
    const view = this.#view;
    const tcp = at + TCP_AT;
    view.setUint16(tcp, FIRST_PORT + index);
    view.setInt32(tcp + 4, this.#seq[index] as number);
    if (kind !== SEND_SYN) view.setInt32(tcp + 8, this.#ack[index] as number);
    const stamp = template.length - (kind === SEND_REQUEST ? REQUEST_BYTES : 0) - 8;
    view.setInt32(stamp + at, nowMs | 0);
    if (kind !== SEND_SYN) view.setInt32(stamp + at + 4, this.#echo[index] as number);
    if (kind === SEND_FIN) this.#seq[index] = ((this.#seq[index] as number) + 1) | 0;
  }
}
