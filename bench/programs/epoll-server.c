// SPDX-License-Identifier: MIT
// The upper bound for a server on the kernel's sockets: one thread, epoll, nothing else. It serves
// what support/server does, on the same ports:
//
//   epoll-server HOST PORT block|spin
//
//   PORT      echoes until the peer ends, then ends its own side
//   PORT + 1  receives and drops
//   PORT + 2  sends 64 KiB after 64 KiB until the peer goes
//
// HOST is an IPv4 address, or unix:PATH for sockets whose files are PATH.PORT.
//
// `spin` never sleeps while it waits. It says "ready" when it listens, and leaves when its standard
// input ends, or after half an hour.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { kChunkBytes = 65536, kEvents = 256, kBacklog = 1024, kLifetimeSeconds = 1800 };

enum Kind { kEcho, kDiscard, kGenerate, kListenEcho, kListenDiscard, kListenGenerate, kInput };

struct Place {
  int fd;
  enum Kind kind;
  // What an echo could not send yet.
  uint8_t* rest;
  size_t rest_bytes;
};

static uint8_t chunk[kChunkBytes];
static int epoll_fd;

static void Fail(const char* what) {
  fprintf(stderr, "epoll-server: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void Watch(struct Place* place, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data = {.ptr = place}};
  if (epoll_ctl(epoll_fd, operation, place->fd, &event) != 0) Fail("epoll_ctl");
}

static struct Place* Add(int fd, enum Kind kind, uint32_t events) {
  struct Place* place = calloc(1, sizeof(*place));
  if (place == NULL) Fail("calloc");
  place->fd = fd;
  place->kind = kind;
  Watch(place, EPOLL_CTL_ADD, events);
  return place;
}

static void Close(struct Place* place) {
  close(place->fd);
  free(place->rest);
  free(place);
}

static void Listen(const char* host, int port, enum Kind kind) {
  const int one = 1;
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  const struct sockaddr* address = (const struct sockaddr*)&remote;
  socklen_t length = sizeof(remote);
  if (strncmp(host, "unix:", 5) == 0) {
    snprintf(local.sun_path, sizeof(local.sun_path), "%s.%d", host + 5, port);
    unlink(local.sun_path);
    address = (const struct sockaddr*)&local;
    length = sizeof(local);
  } else if (inet_pton(AF_INET, host, &remote.sin_addr) != 1) {
    errno = EINVAL;
    Fail(host);
  }
  const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) Fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(fd, address, length) != 0) Fail("bind");
  if (listen(fd, kBacklog) != 0) Fail("listen");
  Add(fd, kind, EPOLLIN);
}

static void Accept(const struct Place* listener) {
  const int one = 1;
  for (;;) {
    const int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0) Fail("accept4");
    // Of no meaning for a local socket, and refused there.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    const enum Kind kind = (enum Kind)(listener->kind - kListenEcho);
    Add(fd, kind, kind == kGenerate ? EPOLLOUT : EPOLLIN);
  }
}

static void Keep(struct Place* place, const uint8_t* bytes, size_t length) {
  place->rest = malloc(length);
  if (place->rest == NULL) Fail("malloc");
  memcpy(place->rest, bytes, length);
  place->rest_bytes = length;
  Watch(place, EPOLL_CTL_MOD, EPOLLOUT);
}

// Sends what an earlier echo could not.
static void SendRest(struct Place* place) {
  const ssize_t sent = send(place->fd, place->rest, place->rest_bytes, MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return;
  if (sent < 0) return Close(place);
  place->rest_bytes -= (size_t)sent;
  memmove(place->rest, place->rest + sent, place->rest_bytes);
  if (place->rest_bytes > 0) return;
  free(place->rest);
  place->rest = NULL;
  Watch(place, EPOLL_CTL_MOD, EPOLLIN);
}

static void Receive(struct Place* place) {
  static uint8_t bytes[kChunkBytes];
  const ssize_t received = recv(place->fd, bytes, sizeof(bytes), 0);
  if (received < 0 && errno == EAGAIN) return;
  if (received <= 0) return Close(place);
  if (place->kind == kDiscard) return;
  const ssize_t sent = send(place->fd, bytes, (size_t)received, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return Close(place);
  const size_t taken = sent < 0 ? 0 : (size_t)sent;
  if (taken < (size_t)received) Keep(place, bytes + taken, (size_t)received - taken);
}

static void Generate(struct Place* place) {
  if (send(place->fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0 && errno != EAGAIN) Close(place);
}

static void Serve(struct Place* place) {
  uint8_t input[256];
  if (place->kind == kInput) {
    if (read(place->fd, input, sizeof(input)) <= 0) exit(0);
  } else if (place->kind >= kListenEcho) {
    Accept(place);
  } else if (place->kind == kGenerate) {
    Generate(place);
  } else if (place->rest != NULL) {
    SendRest(place);
  } else {
    Receive(place);
  }
}

// A user may have allowed itself fewer descriptors than the system allows it.
static void RaiseLimit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "epoll-server HOST PORT block|spin\n");
    return 2;
  }
  const int port = atoi(argv[2]);
  const int timeout = strcmp(argv[3], "spin") == 0 ? 0 : -1;
  RaiseLimit();
  alarm(kLifetimeSeconds);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) Fail("epoll_create1");
  Listen(argv[1], port, kListenEcho);
  Listen(argv[1], port + 1, kListenDiscard);
  Listen(argv[1], port + 2, kListenGenerate);
  Add(STDIN_FILENO, kInput, EPOLLIN);
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) Fail("write");
  struct epoll_event events[kEvents];
  for (;;) {
    const int count = epoll_wait(epoll_fd, events, kEvents, timeout);
    if (count < 0 && errno != EINTR) Fail("epoll_wait");
    for (int i = 0; i < count; i++) Serve(events[i].data.ptr);
  }
}
