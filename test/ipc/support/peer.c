// SPDX-License-Identifier: MIT
// A peer of local sockets that knows nothing of this library: plain calls of libc. Each mode is one
// life; it says "ready" once it listens or is connected, and what it has seen on its last line.
//
//   peer <mode> <path>

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char buffer[65536];

static void must(int is_fine, const char* what) {
  if (is_fine) return;
  perror(what);
  exit(1);
}

static void say(const char* text) {
  puts(text);
  fflush(stdout);
}

static struct sockaddr_un address_of(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  return address;
}

static int bound(const char* path, int type) {
  struct sockaddr_un address = address_of(path);
  int fd = socket(AF_UNIX, type, 0);
  must(bind(fd, (struct sockaddr*)&address, sizeof(address)) == 0, "bind");
  return fd;
}

static int listening(const char* path, int backlog) {
  int fd = bound(path, SOCK_STREAM);
  must(listen(fd, backlog) == 0, "listen");
  say("ready");
  return fd;
}

static int accepted(const char* path) {
  int fd = accept(listening(path, 16), NULL, NULL);
  must(fd >= 0, "accept");
  return fd;
}

static int connected(const char* path) {
  struct sockaddr_un address = address_of(path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  must(connect(fd, (struct sockaddr*)&address, sizeof(address)) == 0, "connect");
  say("ready");
  return fd;
}

static void send_all(int fd, const char* bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    must(sent > 0, "send");
    bytes += sent;
    length -= (size_t)sent;
  }
}

// Sends back all that comes, up to the end of the stream. Returns the count.
static size_t echo(int fd) {
  size_t total = 0;
  ssize_t got;
  while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
    send_all(fd, buffer, (size_t)got);
    total += (size_t)got;
  }
  must(got == 0, "recv");
  return total;
}

static size_t read_to_end(int fd) {
  size_t total = 0;
  ssize_t got;
  while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0) total += (size_t)got;
  must(got == 0, "recv");
  return total;
}

// Waits for the end of our standard input.
static void until_told(void) {
  while (read(0, buffer, sizeof(buffer)) > 0) continue;
}

static void send_fds(int fd, const char* text, const int* fds, size_t count) {
  char control[CMSG_SPACE(8 * sizeof(int))] = {0};
  struct iovec vector = {(void*)text, strlen(text)};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  must(sendmsg(fd, &message, MSG_NOSIGNAL) > 0, "sendmsg");
}

// A descriptor and the byte that it came with.
static int take_fd(int fd) {
  char control[CMSG_SPACE(sizeof(int))];
  char byte = 0;
  struct iovec vector = {&byte, 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  must(recvmsg(fd, &message, 0) == 1, "recvmsg");
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  must(header != NULL && header->cmsg_type == SCM_RIGHTS, "no descriptor");
  must((unsigned char)byte == 0xcc, "another byte");
  int got;
  memcpy(&got, CMSG_DATA(header), sizeof(got));
  return got;
}

// A file that says what its name is.
static int file_saying(const char* text) {
  int fd = memfd_create(text, 0);
  must(write(fd, text, strlen(text)) > 0 && lseek(fd, 0, SEEK_SET) == 0, "memfd");
  return fd;
}

// Passes a socket of some kind over `fd`; with a pair it talks at the other end.
static void give(int fd, const char* kind, const char* path) {
  char other[256];
  int pair[2] = {-1, -1};
  snprintf(other, sizeof(other), "%s-2", path);
  if (strcmp(kind, "pair") == 0) {
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  } else if (strcmp(kind, "seqpacket") == 0) {
    must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "socketpair");
  } else if (strcmp(kind, "listener") == 0) {
    pair[0] = bound(other, SOCK_STREAM);
    must(listen(pair[0], 16) == 0, "listen");
  } else if (strcmp(kind, "dgram") == 0) {
    pair[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
  } else if (strcmp(kind, "unconnected") == 0) {
    pair[0] = socket(AF_UNIX, SOCK_STREAM, 0);
  } else if (strcmp(kind, "tcp") == 0) {
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
  } else {
    pair[0] = file_saying("a file");
  }
  send_fds(fd, "\xcc", pair, 1);
  close(pair[0]);
  if (strcmp(kind, "pair") == 0) {
    echo(pair[1]);
    close(pair[1]);
  }
}

static void serve_one(const char* mode, const char* path) {
  int fd = accepted(path);
  if (strcmp(mode, "echo") == 0) {
    printf("echoed %zu\n", echo(fd));
  } else if (strcmp(mode, "end-first") == 0) {
    // Half-closes first, and still reads all.
    shutdown(fd, SHUT_WR);
    printf("read %zu\n", read_to_end(fd));
  } else if (strcmp(mode, "end-last") == 0) {
    // Answers only once the other side has half-closed.
    size_t total = read_to_end(fd);
    int length = snprintf(buffer, sizeof(buffer), "read %zu", total);
    send_all(fd, buffer, (size_t)length);
    puts(buffer);
  } else if (strcmp(mode, "die") == 0) {
    must(recv(fd, buffer, 1, 0) == 1, "recv");
    send_all(fd, "dying", 5);
    _exit(3);
  } else if (strcmp(mode, "never-read") == 0) {
    until_told();
  } else if (strcmp(mode, "send-fds") == 0) {
    int fds[2] = {file_saying("first"), file_saying("second")};
    send_all(fd, "ab", 2);
    send_fds(fd, "\xcc", fds, 1);
    send_fds(fd, "hello", fds + 1, 1);
    send_fds(fd, "x", fds, 2);
  } else if (strcmp(mode, "take-fd") == 0) {
    int got = take_fd(fd);
    ssize_t length = read(got, buffer, sizeof(buffer));
    must(length > 0, "read");
    send_all(fd, buffer, (size_t)length);
  } else if (strncmp(mode, "give-", 5) == 0) {
    give(fd, mode + 5, path);
  } else {
    must(0, mode);
  }
  close(fd);
}

// Listens with the smallest backlog, and accepts only once it is told to.
static void serve_late(const char* path) {
  int listener = listening(path, 0);
  until_told();
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    must(fd >= 0, "accept");
    echo(fd);
    close(fd);
  }
}

static void call(const char* path) {
  int fd = connected(path);
  memset(buffer, 'x', sizeof(buffer));
  send_all(fd, buffer, sizeof(buffer));
  for (size_t got = 0; got < sizeof(buffer);) {
    ssize_t length = recv(fd, buffer, sizeof(buffer) - got, 0);
    must(length > 0, "recv");
    got += (size_t)length;
  }
  shutdown(fd, SHUT_WR);
  printf("then %zu\n", read_to_end(fd));
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const char* mode = argv[1];
  const char* path = argv[2];
  if (strcmp(mode, "call") == 0) {
    call(path);
  } else if (strcmp(mode, "call-and-die") == 0) {
    send_all(connected(path), "gone", 4);
    _exit(3);
  } else if (strcmp(mode, "late") == 0) {
    serve_late(path);
  } else if (strcmp(mode, "dgram") == 0) {
    bound(path, SOCK_DGRAM);
    say("ready");
    until_told();
  } else {
    serve_one(mode, path);
  }
  return 0;
}
