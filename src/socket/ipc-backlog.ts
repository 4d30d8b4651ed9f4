// SPDX-License-Identifier: MIT
// Who waits because a backlog is full. The kernel tells nobody when there is room again (unix(7)
// has connect(2) wait or say EAGAIN), so they try again after a while; and at once when it is this
// very program that accepts or closes.

import { type Loop, WaitQueue } from "../../scheduler/internal.ts";

const queues = new WeakMap<Loop, Map<string, WaitQueue>>();

/** @returns where those wait who connect to `name` */
export function backlogQueue(loop: Loop, name: string): WaitQueue {
  let byName = queues.get(loop);
  if (byName === undefined) {
    byName = new Map();
    queues.set(loop, byName);
  }
  let queue = byName.get(name);
  if (queue === undefined) {
    queue = new WaitQueue();
    byName.set(name, queue);
  }
  return queue;
}

/** Who waited there does so no longer. */
export function leaveBacklog(loop: Loop, name: string): void {
  const byName = queues.get(loop);
  if (byName?.get(name)?.isEmpty) byName.delete(name);
}

/** A connection has been accepted: there is room for one. */
export function backlogHasRoom(loop: Loop, name: string): void {
  queues.get(loop)?.get(name)?.wakeOne();
}

/** The listener closes. */
export function backlogCloses(loop: Loop, name: string): void {
  queues.get(loop)?.get(name)?.wakeAll();
}
