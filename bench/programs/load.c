// SPDX-License-Identifier: MIT
// The load generator of the suites that measure servers: kernel TCP, epoll, closed loop. It spins
// instead of sleeping, so that what is measured is the server and not how long this process takes
// to wake up.
//
//   load HOST PORT CONNECTIONS ACTIVE WARM_UP_SECONDS SECONDS BYTES MODE
//
//   echo     ACTIVE of the connections, spread evenly, have one request under way each: BYTES are
//            sent, as many awaited, the next sent; the others are only there
//   connect  the same, and each request is a whole life: connect, one request, FIN both ways, close
//   send     bulk data to PORT + 1, BYTES at a time
//   receive  bulk data from PORT + 2, up to BYTES at a time
//   both     CONNECTIONS of each of the two
//
// HOST is an IPv4 address, or unix:PATH for sockets whose files are PATH.PORT. It ends by itself:
// SECONDS after the warm-up, or by an alarm if a server hangs. The result is one line of JSON.
// Bytes are those of what `send` took or `recv` gave; of an echo, those of the requests.

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
#include <time.h>
#include <unistd.h>

enum { kMaxConnections = 131072, kMaxBytes = 65536, kEvents = 256, kGraceSeconds = 30 };

// Connection attempts under way at once before the measurement.
enum { kOpening = 64 };

// What lives may take to end after the measurement.
enum { kPeaceNs = 500000000 };

// Latencies by 0.1 us up to 10 ms, then all together.
enum { kBuckets = 100000 };

enum Mode { kEcho, kConnect, kSend, kReceive, kBoth, kModes };
static const char* const kModeNames[kModes] = {"echo", "connect", "send", "receive", "both"};
static const int kPortOffsets[kModes] = {0, 0, 1, 2, 0};

struct Connection {
  int fd;
  enum Mode mode;
  bool is_connected;
  int sent;
  int received;
  int64_t started_ns;
};

static struct Connection connections[kMaxConnections];
static uint32_t histogram[kBuckets + 1];
static uint8_t request[kMaxBytes];
static uint8_t reply[kMaxBytes];
static const char* host;
static int port;
static int epoll_fd;
static int request_bytes;
static int connected;
static bool is_measuring;
// Lives are not followed by others any more.
static bool is_ending;
static int ended;
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

// Starts to connect to the port of the connection's mode. Returns false, and errno, if it failed.
static bool Connect(struct Connection* connection) {
  const int at = port + kPortOffsets[connection->mode];
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons((uint16_t)at)};
  const struct sockaddr* address = (const struct sockaddr*)&remote;
  socklen_t length = sizeof(remote);
  if (strncmp(host, "unix:", 5) == 0) {
    snprintf(local.sun_path, sizeof(local.sun_path), "%s.%d", host + 5, at);
    address = (const struct sockaddr*)&local;
    length = sizeof(local);
  } else if (inet_pton(AF_INET, host, &remote.sin_addr) != 1) {
    errno = EINVAL;
    return false;
  }
  const int one = 1;
  const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  connection->fd = socket(address->sa_family, type, 0);
  if (connection->fd < 0) return false;
  if (address == (const struct sockaddr*)&remote) {
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }
  return connect(connection->fd, address, length) == 0 || errno == EINPROGRESS;
}

static void Open(struct Connection* connection, int64_t now_ns) {
  connection->is_connected = false;
  connection->sent = 0;
  connection->received = 0;
  connection->started_ns = now_ns;
  if (!Connect(connection)) Fail("connect");
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
  ended++;
  if (!is_ending) Open(connection, now_ns);
}

static void Connected(struct Connection* connection, int64_t now_ns) {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) {
    errno = error;
    if (connection->mode != kConnect) Fail("connect");
    failed++;
    return Again(connection, now_ns);
  }
  connection->is_connected = true;
  connected++;
  Watch(connection, EPOLL_CTL_MOD, connection->mode == kSend ? 0 : EPOLLIN);
  if (connection->mode == kConnect) Send(connection);
}

// What the connections are for begins; lives begin by themselves.
static void Start(struct Connection* connection) {
  connection->started_ns = NowNs();
  if (connection->mode == kEcho) Send(connection);
  if (connection->mode == kSend) Watch(connection, EPOLL_CTL_MOD, EPOLLOUT);
}

// Bulk data: one call, then whoever else is ready has a turn.
static void Pump(struct Connection* connection) {
  const bool is_sender = connection->mode == kSend;
  const ssize_t moved = is_sender
                            ? send(connection->fd, request, (size_t)request_bytes, MSG_NOSIGNAL)
                            : recv(connection->fd, reply, (size_t)request_bytes, 0);
  if (moved < 0 && errno == EAGAIN) return;
  if (moved <= 0) Fail(is_sender ? "send" : "recv: the server ended a connection");
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
    if (connection->mode != kConnect) Fail("recv: the server ended a connection");
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
  if (connection->mode == kConnect) {
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

// Serves whoever is ready, once.
static void Round(void) {
  static struct epoll_event events[kEvents];
  const int count = epoll_wait(epoll_fd, events, kEvents, 0);
  if (count < 0 && errno != EINTR) Fail("epoll_wait");
  for (int i = 0; i < count; i++) {
    struct Connection* connection = events[i].data.ptr;
    const int64_t now_ns = NowNs();
    if (!connection->is_connected) {
      Connected(connection, now_ns);
    } else if (connection->mode == kSend || connection->mode == kReceive) {
      Pump(connection);
    } else {
      Receive(connection, now_ns);
    }
  }
}

static void RunUntil(int64_t end_ns) {
  while (NowNs() < end_ns) Round();
}

// Opens all, a few at a time, and waits until they stand. Those of kConnect go on living.
static void OpenAll(int count) {
  for (int opened = 0; opened < count; Round()) {
    while (opened < count && opened - connected < kOpening) Open(&connections[opened++], NowNs());
  }
  while (connected < count) Round();
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

static enum Mode ReadMode(const char* name) {
  int mode = 0;
  while (mode < kModes && strcmp(name, kModeNames[mode]) != 0) mode++;
  return (enum Mode)mode;
}

// A user may have allowed itself fewer descriptors than the system allows it.
static void RaiseLimit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void Print(double open_seconds, double took) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("{\"requests\":%llu,\"total\":%llu,\"seconds\":%.4f,\"perSecond\":%.1f,",
         (unsigned long long)done, (unsigned long long)total, took, (double)done / took);
  printf("\"bytesPerSecond\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f,",
         (double)bytes / took, Percentile(0.5), Percentile(0.99), Percentile(0.999));
  printf("\"failed\":%llu,\"openSeconds\":%.6f,\"loadSeconds\":%.6f}\n",
         (unsigned long long)failed, open_seconds, Seconds(used.ru_utime) + Seconds(used.ru_stime));
}

int main(int argc, char** argv) {
  if (argc != 9) {
    fprintf(stderr, "load HOST PORT CONNECTIONS ACTIVE WARM_UP_SECONDS SECONDS BYTES MODE\n");
    return 2;
  }
  host = argv[1];
  port = atoi(argv[2]);
  const enum Mode mode = ReadMode(argv[8]);
  const int count = atoi(argv[3]) * (mode == kBoth ? 2 : 1);
  const int active = atoi(argv[4]) * (mode == kBoth ? 2 : 1);
  const double warm_up_seconds = atof(argv[5]);
  const double seconds = atof(argv[6]);
  request_bytes = atoi(argv[7]);
  if (count < 1 || count > kMaxConnections || active < 1 || active > count || request_bytes < 1 ||
      request_bytes > kMaxBytes || seconds <= 0 || mode == kModes) {
    fprintf(stderr, "load: wrong argument\n");
    return 2;
  }
  RaiseLimit();
  alarm((unsigned)(warm_up_seconds + seconds) + kGraceSeconds);
  for (int i = 0; i < request_bytes; i++) request[i] = (uint8_t)i;
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) Fail("epoll_create1");
  for (int i = 0; i < count; i++) {
    connections[i].mode = mode != kBoth ? mode : i % 2 == 0 ? kSend : kReceive;
  }
  const int64_t opening_ns = NowNs();
  OpenAll(count);
  const double open_seconds = (double)(NowNs() - opening_ns) / 1e9;
  for (int i = 0; i < active; i++) Start(&connections[(int64_t)i * count / active]);
  RunUntil(NowNs() + (int64_t)(warm_up_seconds * 1e9));
  is_measuring = true;
  const int64_t start_ns = NowNs();
  RunUntil(start_ns + (int64_t)(seconds * 1e9));
  Print(open_seconds, (double)(NowNs() - start_ns) / 1e9);
  // Lives end in peace, so that whoever counts resets finds none of ours.
  is_ending = true;
  ended = 0;
  const int64_t last_ns = NowNs() + kPeaceNs;
  while (mode == kConnect && ended < count && NowNs() < last_ns) Round();
  return 0;
}
