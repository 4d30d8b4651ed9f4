// SPDX-License-Identifier: MIT
// Why segments were dropped or answered out of turn, counted per context (R5). Plain fields, so
// that counting costs an increment.

/** Counters of src/tcp, one set per context. They only grow. */
export class TcpCounters {
  /** Sequence number outside the window (first check). */
  outOfWindow = 0;
  /** RST outside the window: dropped without an answer. */
  resetOutOfWindow = 0;
  /** Timestamp older than TS.Recent (PAWS). */
  paws = 0;
  /** No timestamp although timestamps were negotiated. */
  missingTimestamp = 0;
  /** SYN on a synchronized connection. */
  unexpectedSyn = 0;
  /** No ACK flag where one is required. */
  missingAck = 0;
  /** ACK of something never sent, or too old (RFC 5961 §5). */
  badAck = 0;
  /** Payload that nobody will read: after the peer's FIN. */
  afterFin = 0;
  /** Payload beyond the window, cut off. */
  beyondWindow = 0;
  /** ICMP error that quotes no octet in flight (RFC 5927 §4.1). */
  icmpOutOfWindow = 0;
  /** ACKs not sent because the connection's challenge budget was used up. */
  challengeSuppressed = 0;
  /** Challenge ACKs and ACKs of unacceptable segments. */
  challengeAcks = 0;
  /** Segments sent again, by timeout or fast retransmit. */
  retransmits = 0;
  /** Connections that ended because R2 was reached. */
  giveUps = 0;
}
