// SPDX-License-Identifier: MIT
// Whether Winsock is in use, and the sockets there are, by number. A number is given out once and
// never again, so a stale one is never somebody else's socket.

import { WSAENOTSOCK, WSANOTINITIALISED } from "./codes.ts";
import type { Descriptor } from "./descriptor.ts";

/** Sockets open at once, of the whole thread; one more is WSAEMFILE. */
export const MAX_SOCKETS = 65_536;
/** As in Windows, where the two low bits of a handle are the application's. */
const HANDLE_STEP = 4;

let startups = 0;
let lastHandle = 0;
const descriptors = new Map<number, Descriptor>();
/** Out of the table already, while `closesocket` waits. */
const leaving = new Set<Descriptor>();

/** `startup` was called once more. */
export function countStartup(): void {
  startups++;
}

/** Takes one `startup` back. @returns how many are left; -1: there was none */
export function countCleanup(): number {
  if (startups === 0) return -1;
  startups--;
  return startups;
}

/** True between `startup` and `cleanup`. */
export function isStarted(): boolean {
  return startups > 0;
}

/** True while there can be no more sockets. */
export function isTableFull(): boolean {
  return descriptors.size >= MAX_SOCKETS;
}

/** Gives a descriptor its number. */
export function addDescriptor(descriptor: Descriptor): number {
  lastHandle += HANDLE_STEP;
  descriptors.set(lastHandle, descriptor);
  return lastHandle;
}

/** Any further use of the number is WSAENOTSOCK. */
export function removeDescriptor(descriptor: Descriptor): void {
  descriptors.delete(descriptor.handle);
  leaving.delete(descriptor);
}

/** The same, but `cleanup` still finds it. */
export function leaveTable(descriptor: Descriptor): void {
  descriptors.delete(descriptor.handle);
  leaving.add(descriptor);
}

/** @returns the descriptor with that number, or the WSA code why there is none */
export function findDescriptor(handle: number): Descriptor | number {
  if (startups === 0) return WSANOTINITIALISED;
  return descriptors.get(handle) ?? WSAENOTSOCK;
}

/** Every descriptor, as a copy. */
export function allDescriptors(): Descriptor[] {
  return [...descriptors.values(), ...leaving];
}
