// SPDX-License-Identifier: MIT
// A TCP peer of plain libc calls that does what its standard input says, a line each, and answers
// each with a line. Others wrap errors up: to Node a reset can look like the end of the stream.
//
//   accept         takes the next connection; "ok"
//   connect PORT   "ok", or the error
//   fin            ends our direction; "ok"
//   write N        N bytes of the pattern; "wrote M", with the error if it was not all
//   read N MS      N bytes in pieces of 16 KB with MS between them (0: to the end); "read M HASH",
//                  and "end" or the error
//   rst            closes by RST; "ok"
//   close          closes; "ok"

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char buffer[16384];
static int listener;
static int fd = -1;

static void say(const char* text) {
  puts(text);
  fflush(stdout);
}

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void answer(int result) { say(result < 0 ? strerrorname_np(errno) : "ok"); }

static void read_bytes(long wanted, int pause_ms) {
  uint32_t hash = 2166136261u;
  long total = 0;
  ssize_t count = 1;
  while (wanted == 0 || total < wanted) {
    size_t most = sizeof(buffer);
    if (wanted != 0 && wanted - total < (long)most) most = wanted - total;
    count = recv(fd, buffer, most, 0);
    if (count <= 0) break;
    for (ssize_t i = 0; i < count; i++) hash = (hash ^ buffer[i]) * 16777619u;
    total += count;
    if (pause_ms > 0) usleep(pause_ms * 1000);
  }
  const char* end = count > 0 ? "" : count == 0 ? " end" : strerrorname_np(errno);
  printf("read %ld %08x%s%s\n", total, hash, count < 0 ? " " : "", end);
  fflush(stdout);
}

static void write_bytes(long wanted) {
  long total = 0;
  ssize_t count = 0;
  while (total < wanted) {
    size_t most = sizeof(buffer);
    if (wanted - total < (long)most) most = wanted - total;
    for (size_t i = 0; i < most; i++) buffer[i] = (total + i) % 251;
    count = send(fd, buffer, most, MSG_NOSIGNAL);
    if (count < 0) break;
    total += count;
  }
  printf("wrote %ld%s%s\n", total, count < 0 ? " " : "", count < 0 ? strerrorname_np(errno) : "");
  fflush(stdout);
}

static void obey(const char* line) {
  long number = 0;
  int pause_ms = 0;
  char word[16] = "";
  sscanf(line, "%15s %ld %d", word, &number, &pause_ms);
  if (strcmp(word, "accept") == 0) {
    fd = accept(listener, NULL, NULL);
    answer(fd);
  } else if (strcmp(word, "connect") == 0) {
    struct sockaddr_in to = loopback(number);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    answer(connect(fd, (struct sockaddr*)&to, sizeof(to)));
  } else if (strcmp(word, "fin") == 0) {
    answer(shutdown(fd, SHUT_WR));
  } else if (strcmp(word, "write") == 0) {
    write_bytes(number);
  } else if (strcmp(word, "read") == 0) {
    read_bytes(number, pause_ms);
  } else if (strcmp(word, "rst") == 0) {
    const struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    answer(close(fd));
  } else if (strcmp(word, "close") == 0) {
    answer(close(fd));
  } else {
    say("what?");
  }
}

int main(void) {
  struct sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&address, size) != 0) return 1;
  if (listen(listener, 128) != 0) return 1;
  getsockname(listener, (struct sockaddr*)&address, &size);
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof(line), stdin) != NULL) obey(line);
  return 0;
}
