// A program and worker that opens a socket poller at the addon itself, without TypeScript.
// Arguments: addon, arm?, then "spin" or "close".

import { createRequire } from "node:module";
import { isMainThread, parentPort } from "node:worker_threads";

const [addonPath, arm, mode] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(addonPath);
const limits = { maxSockets: 256, rxBytes: 131072, txBytes: 4096, submissions: 64, events: 64 };
const pollers = [addon.openSockets(limits), addon.openSockets(limits)];
for (const { handle, buffer, submissionsOffset, controlOffset } of pollers) {
  const loopback = Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  if (new Uint16Array(loopback.buffer)[0] !== 2) loopback.set([0, 2]);
  const listener = addon.socketOpen(handle, 2, 1, "");
  const name = new Uint8Array(16);
  const results = [
    addon.socketBind(handle, listener, loopback),
    addon.socketListen(handle, listener, 16),
    addon.socketName(handle, listener, false, name),
    addon.socketConnect(handle, addon.socketOpen(handle, 2, 1, ""), name),
    addon.socketOpen(handle, 2, 2, ""),
  ];
  const pair = new Int32Array(2);
  for (let i = 0; i < 20; i++) results.push(addon.socketPair(handle, pair));
  if (results.some((each) => each < 0 && each !== -115)) throw new Error(String(results));
  addon.poll(handle);
  addon.socketAccept(handle, listener);
  // Bytes that nobody receives, and a submission that nobody polls.
  new Int32Array(buffer, submissionsOffset, 4).set([pair[0], 1, 0, 100]);
  new Int32Array(buffer, controlOffset, 1)[0] = 1;
  addon.poll(handle);
  if (arm === "true" && !addon.armWake(handle, () => {})) throw new Error("work is left");
  new Int32Array(buffer, controlOffset, 1)[0] = 1;
}
if (isMainThread) console.log("open");
else parentPort.postMessage("open");
if (mode === "close") for (const each of pollers) addon.close(each.handle);
if (mode === "spin") for (;;) for (const each of pollers) addon.poll(each.handle);
