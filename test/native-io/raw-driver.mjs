// A program and worker that opens a driver at the addon itself, without TypeScript.
// Arguments: addon, interface, namespace, arm?, then "spin" or "close".

import { createRequire } from "node:module";
import { isMainThread, parentPort } from "node:worker_threads";

const [addonPath, interfaceName, netns, arm, mode] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(addonPath);
const options = {
  interface: interfaceName,
  netns,
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
// Two, so that closing at the end of the thread has an order to keep.
const drivers = [addon.openAfPacket(options), addon.openAfPacket(options)];
for (const driver of drivers) {
  while (addon.poll(driver.handle) > 0);
  if (arm === "true") addon.armWake(driver.handle, () => {});
}
if (isMainThread) console.log("open");
else parentPort.postMessage("open");
if (mode === "close") for (const driver of drivers) addon.close(driver.handle);
if (mode === "spin") for (;;) for (const driver of drivers) addon.poll(driver.handle);
