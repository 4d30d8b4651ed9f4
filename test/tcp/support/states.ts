// SPDX-License-Identifier: MIT
// Scenes that have come to a given state, all with one round trip behind them and nothing queued.

import { Scene, type SceneOptions } from "./scene.ts";

const PASSIVE = `
  < S 0:0(0) win 65535 <mss 1460>
  > S. 0:0(0) ack 1
`;
const ESTABLISHED = `${PASSIVE}
  < . 1:1(0) ack 1
`;
const FIN_WAIT_1 = `${ESTABLISHED}
  finish
  > F. 1:1(0) ack 1
`;
const FIN_WAIT_2 = `${FIN_WAIT_1}
  < . 1:1(0) ack 2
`;
const CLOSE_WAIT = `${ESTABLISHED}
  < F. 1:1(0) ack 1
  > . 1:1(0) ack 2
`;
const SCRIPTS: Readonly<Record<string, string>> = {
  "SYN-SENT": `
    open
    > S 0:0(0)
  `,
  "SYN-RECEIVED": PASSIVE,
  ESTABLISHED,
  "FIN-WAIT-1": FIN_WAIT_1,
  "FIN-WAIT-2": FIN_WAIT_2,
  "CLOSE-WAIT": CLOSE_WAIT,
  CLOSING: `${FIN_WAIT_1}
    < F. 1:1(0) ack 1
    > . 2:2(0) ack 2
  `,
  "LAST-ACK": `${CLOSE_WAIT}
    finish
    > F. 1:1(0) ack 2
  `,
  "TIME-WAIT": `${FIN_WAIT_2}
    < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
  `,
};

/** The states in which both SYNs have been seen, by name. */
export const SYNCHRONIZED: readonly string[] = [
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSE-WAIT",
  "CLOSING",
  "LAST-ACK",
  "TIME-WAIT",
];

/** Every state a TCB can be in while it is alive, by name. */
export const ALIVE: readonly string[] = ["SYN-SENT", "SYN-RECEIVED", ...SYNCHRONIZED];

/** Our next sequence number in that state, relative to ISS. */
export const SEND_NEXT: Readonly<Record<string, number>> = {
  "SYN-SENT": 1,
  "SYN-RECEIVED": 1,
  ESTABLISHED: 1,
  "FIN-WAIT-1": 2,
  "FIN-WAIT-2": 2,
  "CLOSE-WAIT": 1,
  CLOSING: 2,
  "LAST-ACK": 2,
  "TIME-WAIT": 2,
};

/** The next sequence number we expect in that state, relative to IRS. */
export const RECEIVE_NEXT: Readonly<Record<string, number>> = {
  "SYN-SENT": 0,
  "SYN-RECEIVED": 1,
  ESTABLISHED: 1,
  "FIN-WAIT-1": 1,
  "FIN-WAIT-2": 1,
  "CLOSE-WAIT": 2,
  CLOSING: 2,
  "LAST-ACK": 2,
  "TIME-WAIT": 2,
};

/** @returns a scene in the named state; the peer has offered 65,535 bytes */
export function sceneIn(state: string, options: SceneOptions = {}): Scene {
  const script = SCRIPTS[state];
  if (script === undefined) throw new Error(`no such state: ${state}`);
  return new Scene(options).play(`${script}\n= ${state}`);
}

/** Pairs of ISS and IRS around which every comparison wraps (hostile input D12). */
export const SEQUENCE_PAIRS: readonly { readonly iss: number; readonly irs: number }[] = [
  { iss: 1_000_000, irs: 5_000_000 },
  { iss: 0xffffffff, irs: 0x7fffffff },
  { iss: 0x7fffffff, irs: 0xffffffff },
];
