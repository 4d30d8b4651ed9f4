// SPDX-License-Identifier: MIT

#include "net-namespace.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include <cerrno>
#include <cstring>

#include "unique-fd.h"

namespace caraway {
namespace {

struct Visit {
  int namespace_fd;
  const std::function<void()>* body;
  int error = 0;
};

void* RunVisit(void* argument) {
  auto* visit = static_cast<Visit*>(argument);
  if (setns(visit->namespace_fd, CLONE_NEWNET) != 0) {
    visit->error = errno;
  } else {
    (*visit->body)();
  }
  return nullptr;
}

}  // namespace

bool RunInNamespace(const std::string& netns, const std::function<void()>& body, Failure* failure) {
  if (netns.empty()) {
    body();
    return true;
  }
  const std::string path = netns.find('/') == std::string::npos ? "/run/netns/" + netns : netns;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::string no_permission = "netns: entering " + path + " needs CAP_SYS_ADMIN; run as root";
  if (!fd.valid() && (errno == EACCES || errno == EPERM)) {
    failure->Set(EPERM, no_permission);
    return false;
  }
  if (!fd.valid()) {
    failure->Set(errno, "netns: no network namespace at " + path + " (" + std::strerror(errno) +
                            "); `ip netns add` makes one");
    return false;
  }
  Visit visit{fd.get(), &body};
  pthread_t thread;
  const int created = pthread_create(&thread, nullptr, RunVisit, &visit);
  if (created != 0) {
    failure->Set(created, "netns: no thread to enter the network namespace with");
    return false;
  }
  pthread_join(thread, nullptr);
  if (visit.error == EPERM) {
    failure->Set(EPERM, no_permission);
  } else if (visit.error != 0) {
    failure->Set(visit.error, "netns: " + path + " is not a network namespace");
  }
  return visit.error == 0;
}

}  // namespace caraway
