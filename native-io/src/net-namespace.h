// SPDX-License-Identifier: MIT
// Opening a device in another network namespace without moving the calling thread into it: a
// socket stays in the namespace of the thread that made it.

#ifndef CARAWAY_NATIVE_IO_NET_NAMESPACE_H_
#define CARAWAY_NATIVE_IO_NET_NAMESPACE_H_

#include <functional>
#include <string>

#include "driver-contract.h"

namespace caraway {

// Runs `body` in the named namespace, on a thread that lives only for this call; on the calling
// thread when `netns` is empty. A name without a slash is looked up under /run/netns. False with
// `failure` when the namespace cannot be entered; `body` has not run then.
bool RunInNamespace(const std::string& netns, const std::function<void()>& body, Failure* failure);

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_NET_NAMESPACE_H_
