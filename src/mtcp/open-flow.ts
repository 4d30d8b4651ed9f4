// SPDX-License-Identifier: MIT
// From where a socket connects: what it is bound to, also if that is an address or a port alone,
// and a port whose answers come to this core, if the destination was registered with `initRss`.

import { IpAddress } from "../ip/address.ts";
import type { StreamFlow } from "../transport/stream.ts";
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL } from "./errno.ts";
import type { RssPool } from "./rss.ts";
import type { TcpSocket } from "./tcp-socket.ts";

/** Begins to connect. @returns the flow, or -errno */
export function openFlow(
  socket: TcpSocket,
  remote: IpAddress,
  remotePort: number,
): StreamFlow | number {
  const { mctx, boundAddress, boundPort } = socket;
  const { rss } = mctx;
  if (!rss.isActive) return open(socket, remote, remotePort, boundAddress, boundPort);
  if (boundPort === 0) {
    const pool = rss.find(remote, remotePort);
    if (pool !== null) return openFromPool(socket, remote, remotePort, pool);
  } else {
    const source = boundAddress ?? ownAddress(mctx.context.address);
    const isElsewhere = source !== null && !rss.isOurs(source, boundPort, remote, remotePort);
    if (isElsewhere) return -EINVAL;
  }
  return open(socket, remote, remotePort, boundAddress, boundPort);
}

function open(
  socket: TcpSocket,
  remote: IpAddress,
  remotePort: number,
  local: IpAddress | null,
  localPort: number,
): StreamFlow | number {
  const { mctx, noDelay } = socket;
  const target = { remote, remotePort, local, localPort, noDelay };
  return mctx.context.openStream(target, socket, mctx.nowMs);
}

/** Tries each pair once: whether one is taken, only the network knows. */
function openFromPool(
  socket: TcpSocket,
  remote: IpAddress,
  remotePort: number,
  pool: RssPool,
): StreamFlow | number {
  const { boundAddress } = socket;
  for (let tries = 0; tries < pool.size; tries++) {
    const pair = pool.next();
    const local = pool.addressOf(pair);
    if (boundAddress !== null && !boundAddress.equals(local)) continue;
    const opened = open(socket, remote, remotePort, local, pool.portOf(pair));
    if (opened !== -EADDRINUSE) return opened;
  }
  return -EADDRNOTAVAIL;
}

/** Our address where a socket is bound to none; null: there are several. */
export function ownAddress(text: string): IpAddress | null {
  const address = IpAddress.parse(text);
  return address === null || address.isUnspecified ? null : address;
}
