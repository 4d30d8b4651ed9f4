// The kernel's TCP and UDP at the end of a wire: a process in the network namespace that does with
// Node's net and dgram what a test tells it to, and says what came of it. See kernel-peer.ts.

import net from "node:net";
import { patternAt, patternMismatch } from "./byte-pattern.ts";
import { udpCalls } from "./kernel-udp.ts";

const CHUNK_BYTES = 65_536;

/** A socket, what it has received, and who waits for more. */
class Peer {
  readonly socket: net.Socket;
  received: Buffer = Buffer.alloc(0);
  hasEnded = false;
  /** Code of the error, "" without one; null while it is open. */
  closed: string | null = null;
  private code = "";
  private wakers: (() => void)[] = [];

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    socket.on("end", () => {
      this.hasEnded = true;
      this.wake();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.code = error.code ?? error.message;
    });
    socket.on("close", () => {
      this.closed = this.code;
      this.wake();
    });
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.wakers.push(resolve));
  }

  private wake(): void {
    for (const waker of this.wakers.splice(0)) waker();
  }
}

const peers = new Map<number, Peer>();
const servers = new Map<number, { server: net.Server; waiting: Peer[]; wakers: (() => void)[] }>();
let lastId = 0;

function keep(peer: Peer): number {
  peers.set(++lastId, peer);
  return lastId;
}

function peerOf(id: number): Peer {
  const peer = peers.get(id);
  if (peer === undefined) throw new Error(`no socket ${id}`);
  return peer;
}

function connectOne(host: string, port: number): Promise<Peer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(new Peer(socket));
    });
  });
}

/** What a test may ask for. Arguments and results go through JSON. */
const tcpCalls = {
  /** Connects; rejects with the code. Returns a socket. */
  async connect(host: string, port: number): Promise<number> {
    return keep(await connectOne(host, port));
  },

  /** Listens and returns a server; `isEcho`: sends back what comes and closes after the client. */
  async listen(host: string, port: number, isEcho: boolean): Promise<number> {
    const entry = {
      server: net.createServer({ allowHalfOpen: true }),
      waiting: [] as Peer[],
      wakers: [] as (() => void)[],
    };
    entry.server.on("connection", (socket) => {
      if (isEcho) {
        socket.setNoDelay(true);
        socket.on("error", () => {});
        socket.pipe(socket);
        return;
      }
      entry.waiting.push(new Peer(socket));
      entry.wakers.shift()?.();
    });
    await new Promise<void>((resolve, reject) => {
      entry.server.once("error", reject);
      entry.server.listen({ host, port, backlog: 511 }, resolve);
    });
    servers.set(++lastId, entry);
    return lastId;
  },

  /** Takes the next connection of a server. Returns a socket. */
  async accept(id: number): Promise<number> {
    const entry = servers.get(id);
    if (entry === undefined) throw new Error(`no server ${id}`);
    while (entry.waiting.length === 0) {
      await new Promise<void>((resolve) => entry.wakers.push(resolve));
    }
    return keep(entry.waiting.shift() as Peer);
  },

  async stopListening(id: number): Promise<void> {
    servers.get(id)?.server.close();
  },

  async write(id: number, text: string): Promise<void> {
    peerOf(id).socket.write(text);
  },

  /** Half-closes: FIN after what was written. */
  async end(id: number): Promise<void> {
    peerOf(id).socket.end();
  },

  /** RST. */
  async reset(id: number): Promise<void> {
    peerOf(id).socket.resetAndDestroy();
  },

  /** Waits for so many bytes and returns them. */
  async read(id: number, bytes: number): Promise<string> {
    const peer = peerOf(id);
    await peer.until(() => peer.received.length >= bytes || peer.hasEnded || peer.closed !== null);
    const text = peer.received.subarray(0, bytes).toString();
    peer.received = peer.received.subarray(bytes);
    return text;
  },

  /** Waits for the end of the stream and returns what came before it. */
  async readToEnd(id: number): Promise<string> {
    const peer = peerOf(id);
    await peer.until(() => peer.hasEnded || peer.closed !== null);
    return peer.received.toString();
  },

  /** Waits until the socket is closed both ways; returns the code of its error, or "". */
  async closed(id: number): Promise<string> {
    const peer = peerOf(id);
    await peer.until(() => peer.closed !== null);
    peers.delete(id);
    return peer.closed ?? "";
  },

  /** Sends so many bytes of the pattern. */
  async sendPattern(id: number, bytes: number): Promise<void> {
    const { socket } = peerOf(id);
    for (let at = 0; at < bytes; ) {
      const chunk = patternAt(at, Math.min(CHUNK_BYTES, bytes - at));
      at += chunk.length;
      if (!socket.write(chunk)) await new Promise((resolve) => socket.once("drain", resolve));
    }
  },

  /** Receives so many bytes; returns where they differ from the pattern, -1 for nowhere. */
  async receivePattern(id: number, bytes: number): Promise<number> {
    const peer = peerOf(id);
    let position = 0;
    for (;;) {
      const { received } = peer;
      peer.received = Buffer.alloc(0);
      const wrongAt = patternMismatch(received, position);
      if (wrongAt >= 0) return wrongAt;
      position += received.length;
      if (position >= bytes) return position > bytes ? bytes : -1;
      if (peer.hasEnded || peer.closed !== null) return position;
      await peer.until(() => peer.received.length > 0 || peer.hasEnded || peer.closed !== null);
    }
  },

  /**
   * Opens so many connections, and once all are open sends a text of its own over each, reads the
   * echo and closes. Returns how many went well.
   */
  async echoMany(host: string, port: number, count: number): Promise<number> {
    const all = await Promise.all(Array.from({ length: count }, () => connectOne(host, port)));
    const good = await Promise.all(
      all.map(async (peer, i) => {
        const text = `number ${i} of ${count}`;
        peer.socket.end(text);
        await peer.until(() => peer.closed !== null);
        return peer.closed === "" && peer.received.toString() === text;
      }),
    );
    return good.filter(Boolean).length;
  },
};

/** For the door: what can be called, and with what. */
export type KernelCalls = typeof tcpCalls & typeof udpCalls;

const calls: KernelCalls = { ...tcpCalls, ...udpCalls };

/** A call as it comes over the channel. */
export interface KernelRequest {
  readonly id: number;
  readonly name: keyof KernelCalls;
  readonly args: readonly unknown[];
}

/** The answer to it. */
export interface KernelReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly code: string };
}

process.on("message", ({ id, name, args }: KernelRequest) => {
  const call = calls[name] as (...args: readonly unknown[]) => Promise<unknown>;
  call(...args).then(
    (value) => process.send?.({ id, value } satisfies KernelReply),
    ({ message, code = "" }) => {
      process.send?.({ id, error: { message, code } } satisfies KernelReply);
    },
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ id: 0 } satisfies KernelReply);
