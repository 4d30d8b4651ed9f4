// A TCP receiver without a stack, for tests of drivers: it takes one connection at a time from the
// kernel, acknowledges what arrives in order and hands it on. No timers, nothing retransmitted.

import type { Driver } from "../../src/link/driver.ts";
import { TX_CHECKSUM } from "../../src/link/driver.ts";
import { commitFrame, frameAt } from "./driver-io.ts";

const FIN = 1;
const SYN = 2;
const ACK = 16;
/** Shift of the window we announce: 65,535 << 5 is 2 MB. */
const WINDOW_SCALE = 5;
const TCP_CHECKSUM_AT = 16;

/** What the sink has seen. */
export class TcpSink {
  /** Bytes taken in order. */
  receivedBytes = 0;
  /** Largest payload of one frame. */
  largestPayload = 0;
  /** The peer has sent its FIN and all before it. */
  isFinished = false;
  private nextSeq = 0;
  private readonly early = new Map<number, { payload: Uint8Array; isLast: boolean }>();
  private readonly driver: Driver;
  private readonly take: (bytes: Uint8Array, at: number) => void;

  constructor(driver: Driver, take: (bytes: Uint8Array, at: number) => void) {
    this.driver = driver;
    this.take = take;
  }

  /** One round: what has arrived is taken and acknowledged. Returns what poll returned. */
  round(): number {
    const count = this.driver.poll(0);
    for (let index = 0; index < count; index++) this.frame(frameAt(this.driver, index));
    return count;
  }

  private frame(frame: Uint8Array): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    if (view.getUint16(12) !== 0x0800 || frame[14] !== 0x45 || frame[23] !== 6) return;
    const tcp = 34;
    const payloadAt = tcp + ((frame[tcp + 12] as number) >> 4) * 4;
    const payload = frame.subarray(payloadAt, 14 + view.getUint16(16));
    const flags = frame[tcp + 13] as number;
    const seq = view.getInt32(tcp + 4);
    if ((flags & SYN) !== 0) this.nextSeq = (seq + 1) | 0;
    else this.arrange(seq, payload, (flags & FIN) !== 0);
    if ((flags & (SYN | FIN)) !== 0 || payload.length > 0) {
      this.answer(view, (flags & SYN) !== 0);
    }
  }

  /** Takes what is next; keeps what is early. A veth of several CPUs does reorder. */
  private arrange(seq: number, payload: Uint8Array, isLast: boolean): void {
    const early = (seq - this.nextSeq) | 0;
    if (early > 0) {
      if (payload.length > 0 || isLast) {
        this.early.set(seq, { payload: payload.slice(), isLast });
      }
      return;
    }
    if (-early <= payload.length) this.accept(payload.subarray(-early), isLast);
    for (const [at, segment] of this.early) {
      if (((at - this.nextSeq) | 0) > 0) continue;
      this.early.delete(at);
      this.arrange(at, segment.payload, segment.isLast);
      return;
    }
  }

  private accept(payload: Uint8Array, isLast: boolean): void {
    if (payload.length > 0) this.take(payload, this.receivedBytes);
    this.receivedBytes += payload.length;
    this.largestPayload = Math.max(this.largestPayload, payload.length);
    this.nextSeq = (this.nextSeq + payload.length + (isLast && !this.isFinished ? 1 : 0)) | 0;
    if (isLast) this.isFinished = true;
  }

  /** Sends SYN-ACK or ACK by turning the received headers round. */
  private answer(received: DataView, isSyn: boolean): void {
    const tcpBytes = isSyn ? 28 : 20;
    const reply = new Uint8Array(34 + tcpBytes);
    const view = new DataView(reply.buffer);
    for (let i = 0; i < 6; i++) {
      reply[i] = received.getUint8(6 + i);
      reply[6 + i] = received.getUint8(i);
    }
    view.setUint16(12, 0x0800);
    view.setUint16(14, 0x4500);
    view.setUint16(16, 20 + tcpBytes);
    view.setUint16(22, (64 << 8) | 6);
    view.setUint32(26, received.getUint32(30));
    view.setUint32(30, received.getUint32(26));
    view.setUint16(24, ~sum(view, 14, 20, 0));
    view.setUint16(34, received.getUint16(36));
    view.setUint16(36, received.getUint16(34));
    view.setInt32(38, isSyn ? 0 : 1);
    view.setInt32(42, this.nextSeq);
    view.setUint16(46, ((tcpBytes / 4) << 12) | (isSyn ? SYN | ACK : ACK));
    view.setUint16(48, 65_535);
    if (isSyn) {
      view.setUint32(54, 0x02040000 | 1460);
      view.setUint32(58, 0x01030300 | WINDOW_SCALE);
    }
    // RFC 9293 §3.1: the pseudo-header lies in the field, the driver finishes the rest.
    view.setUint16(34 + TCP_CHECKSUM_AT, sum(view, 26, 8, 6 + tcpBytes));
    commitFrame(this.driver, reply, TX_CHECKSUM, (34 << 16) | TCP_CHECKSUM_AT);
  }
}

function sum(view: DataView, at: number, length: number, initial: number): number {
  let total = initial;
  for (let i = 0; i < length; i += 2) total += view.getUint16(at + i);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** Byte `at` of the test stream: no period that a segment size could hide. */
export function streamByte(at: number): number {
  return (at ^ (at >>> 8) ^ (at >>> 16)) & 255;
}

/** A program for `node -e` that connects, sends `bytes` of the test stream and ends. */
export function streamSender(address: string, port: number, bytes: number): string {
  return `
    const net = require("node:net");
    const socket = net.connect(${port}, ${JSON.stringify(address)});
    let at = 0;
    const more = () => {
      while (at < ${bytes}) {
        const chunk = Buffer.alloc(Math.min(65536, ${bytes} - at));
        for (let i = 0; i < chunk.length; i++) {
          const n = at + i;
          chunk[i] = (n ^ (n >>> 8) ^ (n >>> 16)) & 255;
        }
        at += chunk.length;
        if (!socket.write(chunk)) return void socket.once("drain", more);
      }
      socket.end();
    };
    socket.on("connect", more);
    socket.on("error", (error) => { console.log(error.message); process.exit(1); });
    socket.setTimeout(20000, () => process.exit(2));
    socket.on("close", () => process.exit());
  `;
}
