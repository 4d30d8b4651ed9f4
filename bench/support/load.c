// SPDX-License-Identifier: MIT
// The load generator of the suites that measure servers: kernel TCP, epoll, closed loop. It spins
// instead of sleeping, so that what is measured is the server and not how long this process takes
// to wake up.
//
//   load HOST PORT CONNECTIONS WARM_UP_SECONDS SECONDS BYTES echo|connect|send|receive
//
//   echo     every connection has one request under way: it sends BYTES, waits until as many have
//            come back, sends again
//   connect  the same, and each request is a whole life: connect, one request, FIN both ways, close
//   send     bulk data to the server, BYTES at a time
//   receive  bulk data from the server, up to BYTES at a time
//
// It ends by itself: SECONDS after the warm-up, or by an alarm if a server hangs. The result is one
// line of JSON. Bytes are those of what `send` took or `recv` gave, one way.

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
#include <time.h>
#include <unistd.h>

enum { kMaxConnections = 4096, kMaxBytes = 65536, kEvents = 256, kGraceSeconds = 10 };

// Latencies by 0.1 us up to 10 ms, then all together.
enum { kBuckets = 100000 };

enum Mode { kEcho, kConnect, kSend, kReceive, kModes };
static const char* const kModeNames[kModes] = {"echo", "connect", "send", "receive"};

struct Connection {
  int fd;
  bool is_connected;
  int sent;
  int received;
  int64_t started_ns;
};

static struct Connection connections[kMaxConnections];
static uint32_t histogram[kBuckets + 1];
static uint8_t request[kMaxBytes];
static uint8_t reply[kMaxBytes];
static struct sockaddr_in server;
static int epoll_fd;
static int request_bytes;
static enum Mode mode;
static bool is_measuring;
static uint64_t done;
// The same, and those of the warm-up.
static uint64_t total;
static uint64_t failed;
static uint64_t bytes;

static int64_t NowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void Fail(const char* what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void Watch(struct Connection* connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data = {.ptr = connection}};
  if (epoll_ctl(epoll_fd, operation, connection->fd, &event) != 0) Fail("epoll_ctl");
}

static void Open(struct Connection* connection, int64_t now_ns) {
  const int one = 1;
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) Fail("socket");
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  connection->is_connected = false;
  connection->sent = 0;
  connection->received = 0;
  connection->started_ns = now_ns;
  if (connect(connection->fd, (struct sockaddr*)&server, sizeof(server)) != 0 &&
      errno != EINPROGRESS) {
    Fail("connect");
  }
  Watch(connection, EPOLL_CTL_ADD, EPOLLOUT);
}

static void Send(struct Connection* connection) {
  while (connection->sent < request_bytes) {
    const ssize_t sent = send(connection->fd, request + connection->sent,
                              (size_t)(request_bytes - connection->sent), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) Fail("send");
    connection->sent += (int)sent;
  }
}

static void Record(struct Connection* connection, int64_t now_ns) {
  total++;
  if (!is_measuring) return;
  const int64_t bucket = (now_ns - connection->started_ns) / 100;
  histogram[bucket < kBuckets ? bucket : kBuckets]++;
  bytes += (uint64_t)request_bytes;
  done++;
}

// A life has ended, well or badly: the next begins.
static void Again(struct Connection* connection, int64_t now_ns) {
  close(connection->fd);
  Open(connection, now_ns);
}

static void Connected(struct Connection* connection, int64_t now_ns) {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) {
    errno = error;
    if (mode != kConnect) Fail("connect");
    failed++;
    return Again(connection, now_ns);
  }
  connection->is_connected = true;
  Watch(connection, EPOLL_CTL_MOD, mode == kSend ? EPOLLOUT : EPOLLIN);
  if (mode == kEcho) connection->started_ns = now_ns;
  if (mode == kEcho || mode == kConnect) Send(connection);
}

// Bulk data: one call, then whoever else is ready has a turn.
static void Pump(struct Connection* connection) {
  const ssize_t moved = mode == kSend
                            ? send(connection->fd, request, (size_t)request_bytes, MSG_NOSIGNAL)
                            : recv(connection->fd, reply, (size_t)request_bytes, 0);
  if (moved < 0 && errno == EAGAIN) return;
  if (moved <= 0) Fail(mode == kSend ? "send" : "recv: the server ended a connection");
  total++;
  if (!is_measuring) return;
  bytes += (uint64_t)moved;
  done++;
}

static void Receive(struct Connection* connection, int64_t now_ns) {
  const ssize_t received = recv(connection->fd, reply, sizeof(reply), 0);
  if (received < 0 && errno == EAGAIN) return;
  if (received <= 0) {
    const bool is_complete = received == 0 && connection->received == request_bytes;
    if (mode != kConnect) Fail("recv: the server ended a connection");
    if (is_complete) {
      Record(connection, now_ns);
    } else {
      failed++;
    }
    return Again(connection, now_ns);
  }
  connection->received += (int)received;
  if (connection->sent < request_bytes) Send(connection);
  if (connection->received < request_bytes) return;
  if (mode == kConnect) {
    // The server answers this FIN with its own: `recv` returns 0.
    shutdown(connection->fd, SHUT_WR);
    return;
  }
  Record(connection, now_ns);
  connection->sent = 0;
  connection->received = 0;
  connection->started_ns = now_ns;
  Send(connection);
}

static void RunUntil(int64_t end_ns) {
  struct epoll_event events[kEvents];
  int64_t now_ns = NowNs();
  while (now_ns < end_ns) {
    const int count = epoll_wait(epoll_fd, events, kEvents, 0);
    if (count < 0 && errno != EINTR) Fail("epoll_wait");
    now_ns = NowNs();
    for (int i = 0; i < count; i++) {
      struct Connection* connection = events[i].data.ptr;
      if (!connection->is_connected) {
        Connected(connection, now_ns);
      } else if (mode == kSend || mode == kReceive) {
        Pump(connection);
      } else {
        Receive(connection, now_ns);
      }
      now_ns = NowNs();
    }
  }
}

static double Percentile(double share) {
  const uint64_t rank = (uint64_t)((double)done * share);
  uint64_t seen = 0;
  for (int i = 0; i <= kBuckets; i++) {
    seen += histogram[i];
    if (seen > rank) return i / 10.0;
  }
  return kBuckets / 10.0;
}

static double Seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static bool ReadMode(const char* name) {
  for (int i = 0; i < kModes; i++) {
    if (strcmp(name, kModeNames[i]) != 0) continue;
    mode = (enum Mode)i;
    return true;
  }
  return false;
}

int main(int argc, char** argv) {
  if (argc != 8) {
    fprintf(stderr, "load HOST PORT CONNECTIONS WARM_UP_SECONDS SECONDS BYTES MODE\n");
    return 2;
  }
  server.sin_family = AF_INET;
  server.sin_port = htons((uint16_t)atoi(argv[2]));
  const int count = atoi(argv[3]);
  const double warm_up_seconds = atof(argv[4]);
  const double seconds = atof(argv[5]);
  request_bytes = atoi(argv[6]);
  if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1 || count < 1 || count > kMaxConnections ||
      request_bytes < 1 || request_bytes > kMaxBytes || seconds <= 0 || !ReadMode(argv[7])) {
    fprintf(stderr, "load: wrong argument\n");
    return 2;
  }
  alarm((unsigned)(warm_up_seconds + seconds) + kGraceSeconds);
  for (int i = 0; i < request_bytes; i++) request[i] = (uint8_t)i;
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) Fail("epoll_create1");
  for (int i = 0; i < count; i++) Open(&connections[i], NowNs());
  RunUntil(NowNs() + (int64_t)(warm_up_seconds * 1e9));
  is_measuring = true;
  const int64_t start_ns = NowNs();
  RunUntil(start_ns + (int64_t)(seconds * 1e9));
  const double took = (double)(NowNs() - start_ns) / 1e9;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("{\"requests\":%llu,\"total\":%llu,\"seconds\":%.4f,\"perSecond\":%.1f,",
         (unsigned long long)done, (unsigned long long)total, took, (double)done / took);
  printf("\"bytesPerSecond\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f,\"failed\":%llu,",
         (double)bytes / took, Percentile(0.5), Percentile(0.99), (unsigned long long)failed);
  printf("\"loadSeconds\":%.6f}\n", Seconds(used.ru_utime) + Seconds(used.ru_stime));
  return 0;
}
