// Runs the addon through its life under LeakSanitizer, which reports when this process ends:
// vitest ends its processes without letting it. Started by native-io/test-asan.mjs in a network
// namespace with a veth pair leak0, leak1. Argument: the addon.

import { createRequire } from "node:module";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

const addonPath = process.argv[2];
const addon = createRequire(import.meta.url)(addonPath);

const packet = {
  interface: "leak0",
  netns: "",
  macAddress: null,
  rxSlots: 64,
  txSlots: 64,
  rxFrameBytes: 0,
  receiveBufferBytes: 1 << 20,
  promiscuous: false,
  qdiscBypass: true,
  fanoutId: -1,
  fanoutMode: 0,
};
const tap = {
  interface: "leak%d",
  netns: "",
  macAddress: Uint8Array.of(2, 0, 0, 0, 0, 9),
  txSlots: 64,
  mtu: 0,
  persist: false,
  linkUp: true,
  receiveOffload: true,
  kernelAddress: null,
  kernelNetmask: null,
};

const xdp = {
  // One per interface.
  interface: isMainThread ? "leak1" : "leak0",
  netns: "",
  macAddress: null,
  addresses: Uint8Array.of(10, 0, 0, 2),
  ports: Uint16Array.of(7),
  queue: 0,
  mode: 0,
  zeroCopy: false,
  rxSlots: 64,
  txSlots: 64,
  frameBytes: 0,
  trustUnfinishedChecksums: -1,
};

const memif = {
  // An abstract name is the namespace's, so each thread has its own.
  socket: isMainThread ? "@leak" : "@leak of a thread",
  isServer: true,
  id: 0,
  secret: "",
  macAddress: null,
  mtu: 1500,
  ringSlots: 64,
  bufferBytes: 2048,
  txSlots: 64,
  checksums: true,
};

const limits = { maxSockets: 2048, rxBytes: 131072, txBytes: 4096, submissions: 64, events: 64 };

/** Opens a poller with sockets of each kind, bytes and a descriptor under way. */
function openSockets() {
  const opened = addon.openSockets(limits);
  const { handle } = opened;
  const pair = new Int32Array(2);
  addon.socketPair(handle, pair);
  addon.socketSendFd(handle, pair[0], 0);
  addon.socketOpen(handle, 2, 2, "");
  addon.socketOpen(handle, 2, 1, "/proc/self/ns/net");
  addon.socketOpen(handle, 2, 1, "nowhere");
  const fd = addon.socketDetach(handle, pair[1]);
  addon.socketClose(handle, addon.socketAdopt(handle, fd, 1, false), false);
  addon.socketPair(handle, pair);
  new Int32Array(opened.buffer, opened.roomOffset, limits.maxSockets).fill(100);
  new Int32Array(opened.buffer, opened.submissionsOffset, 4).set([pair[0], 1, 0, 100]);
  new Int32Array(opened.buffer, opened.controlOffset, 1)[0] = 1;
  return opened;
}

/** Opens one of each, polls and arms. Returns their handles. */
function use() {
  const opened = [
    addon.openAfPacket(packet),
    addon.openAfXdp(xdp),
    addon.openTap(tap),
    addon.openMemif(memif),
    addon.openMemif({ ...memif, isServer: false }),
    openSockets(),
  ];
  const handles = opened.map((each) => each.handle);
  if (!handles.every((handle) => handle > 0)) throw new Error("did not open");
  const isUp = () => addon.linkText(handles[3]).startsWith("connected");
  for (let i = 0; i < 1e6 && !isUp(); i++) for (const handle of handles) addon.poll(handle);
  for (const handle of handles) {
    while (addon.poll(handle) > 0);
    addon.armWake(handle, () => {});
    addon.armWake(handle, () => {});
  }
  return handles;
}

for (let i = 0; i < 10; i++) for (const handle of use()) addon.close(handle);
for (const wrong of ["nosuch0", "lo0"]) addon.openAfPacket({ ...packet, interface: wrong });
addon.openAfPacket({ ...packet, netns: "nowhere" });
addon.openTap({ ...tap, interface: "leak1" });
addon.openAfXdp({ ...xdp, queue: 63 });
addon.openAfXdp({ ...xdp, zeroCopy: true });
addon.openMemif({ ...memif, socket: "/nowhere/leak" });
// Left open: the end of the environment has to free these.
const left = use();
addon.startSpinning(() => {});
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { argv: [addonPath] });
  await new Promise((resolve) => worker.once("message", resolve));
  await worker.terminate();
  for (const handle of left) addon.disarmWake(handle);
  addon.stopSpinning();
  console.log("leak check: went through");
} else {
  parentPort.postMessage("open");
  for (;;) for (const handle of left) addon.poll(handle);
}
