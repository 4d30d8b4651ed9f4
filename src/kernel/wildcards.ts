// SPDX-License-Identifier: MIT
// The addresses that mean every address.

import { IpAddress } from "../ip/address.ts";

/** `0.0.0.0`. */
export const ANY_V4: IpAddress = IpAddress.v4(0);
/** `::`, which over the kernel also means every IPv4 address unless it is asked for by name. */
export const ANY_V6: IpAddress = new IpAddress(0, 0, 0, 0);
