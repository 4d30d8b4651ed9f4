// SPDX-License-Identifier: MIT
// What holds for every connection between two calls, whatever has arrived.

import { geq, leq } from "../../../src/tcp/seq.ts";
import { CLOSED, TIME_WAIT } from "../../../src/tcp/state.ts";
import { NEVER, type Tcb } from "../../../src/tcp/tcb.ts";

/** @throws Error naming the first invariant that does not hold */
export function checkInvariants(tcb: Tcb): void {
  const { snd, rcv, sendBuffer, receiveBuffer } = tcb;
  check(leq(snd.una, snd.resend), "SND.UNA <= resend");
  check(leq(snd.resend, snd.nxt), "resend <= SND.NXT");
  check(Number.isInteger(snd.una) && snd.una === (snd.una | 0), "SND.UNA is int32");
  check(Number.isInteger(rcv.nxt) && rcv.nxt === (rcv.nxt | 0), "RCV.NXT is int32");
  check(sendBuffer.length <= sendBuffer.limitBytes, "send buffer within its limit");
  check(receiveBuffer.available <= receiveBuffer.limitBytes, "receive buffer within its limit");
  check(tcb.congestion.cwnd >= 0, "cwnd >= 0");
  check(tcb.rto.rtoMs >= tcb.config.rtoMinMs, "RTO >= floor");
  check(tcb.rto.rtoMs <= tcb.config.rtoMaxMs, "RTO <= ceiling");
  check(!Number.isNaN(tcb.rtoAtMs) && !Number.isNaN(tcb.persistAtMs), "timers are numbers");
  if (tcb.state === CLOSED) {
    check(tcb.rtoAtMs === NEVER && tcb.persistAtMs === NEVER, "no timer in CLOSED");
    check(tcb.delayedAckAtMs === NEVER && tcb.endAtMs === NEVER, "no timer in CLOSED");
    return;
  }
  if (snd.synAcked) {
    const fin = snd.finQueued && !snd.finAcked ? 1 : 0;
    const end = (snd.una + sendBuffer.length + fin) | 0;
    check(leq(snd.nxt, end), "SND.NXT <= end of what was queued");
    check(leq(rcv.nxt, rcv.edge), "RCV.NXT <= right edge");
    const window = (rcv.edge - rcv.nxt) | 0;
    check(window <= receiveBuffer.window, "promised window fits the buffer");
  }
  if (rcv.finReceived) check(rcv.nxt === ((rcv.finSeq + 1) | 0), "RCV.NXT is past the FIN");
  if (rcv.finSeen && !rcv.finReceived) check(leq(rcv.nxt, rcv.finSeq), "RCV.NXT <= FIN");
  check(leq(rcv.nxt, rcv.finReceived ? (rcv.top + 1) | 0 : rcv.top), "RCV.NXT <= top");
  if (snd.finAcked) check(sendBuffer.length === 0, "nothing queued after FIN was acknowledged");
  if (tcb.state === TIME_WAIT) {
    check(tcb.endAtMs !== NEVER, "2MSL timer runs in TIME-WAIT");
    check(tcb.rtoAtMs === NEVER && tcb.persistAtMs === NEVER, "only 2MSL in TIME-WAIT");
  }
  check(!(tcb.rtoAtMs !== NEVER && tcb.persistAtMs !== NEVER), "not both timers");
  check(geq(rcv.nxt, rcv.lastAckSent), "Last.ACK.sent <= RCV.NXT");
}

/** After an output with room: whatever waits has a timer behind it, so nothing stalls for ever. */
export function checkLiveness(tcb: Tcb): void {
  const { snd } = tcb;
  if (tcb.state === CLOSED || tcb.state === TIME_WAIT) return;
  const fin = snd.finQueued && !snd.finAcked ? 1 : 0;
  const waits = !snd.synAcked || tcb.sendBuffer.length + fin > 0;
  check(!waits || tcb.rtoAtMs !== NEVER || tcb.persistAtMs !== NEVER, "what waits has a timer");
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`invariant broken: ${what}`);
}
