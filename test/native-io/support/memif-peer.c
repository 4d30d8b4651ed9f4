// SPDX-License-Identifier: MIT
// A memif peer that says and writes what it is told to: its arguments are a script. What it
// receives it prints, a line per message; a DISCONNECT or the end of the channel ends it.
//
//   connect PATH | listen PATH            meet the other side; `listen` prints "listening"
//   hello MIN MAX LOG2 | init VERSION ID MODE
//   region INDEX BYTES REAL sealed|open|none|file|huge|many
//   ring FLAGS INDEX REGION OFFSET LOG2 event|none|pipe | send TYPE | raw BYTES
//   until TYPE                            receives messages up to one of that type
//   u16 AT VALUE | u32 AT VALUE           writes to the region
//   desc AT FLAGS REGION LENGTH OFFSET    writes a descriptor
//   show AT                               prints a u16 of the region
//   saturate                              fills the eventfd sent last, and makes it a blocking one
//   event                                 takes the count of that eventfd, and prints it
//   line                                  prints "ready" and waits for a line
//   sleep MS | scribble SEED MS           fills rings of 16 with anything for so long
//   shrink BYTES                          tries to truncate the region

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int channel = -1;
static int region_fd = -1;
static int event_fd = -1;
static uint8_t *region;
static size_t region_bytes;
static char **next;
static int is_server;

// Of 16 descriptors; a client's rings lie one behind the other.
#define RING_BYTES (128 + 16 * 16)

static const char *word(void) {
  if (*next == NULL) exit(3);
  return *next++;
}

static long number(void) { return strtol(word(), NULL, 0); }

static void fail(const char *what) {
  printf("%s: %s\n", what, strerror(errno));
  exit(2);
}

static void map_region(int fd, size_t bytes) {
  region_fd = fd;
  region_bytes = bytes;
  region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (region == MAP_FAILED) fail("mmap");
}

static void send_bytes(const void *bytes, size_t length, const int *fds, int count) {
  struct iovec data = {(void *)bytes, length};
  char control[CMSG_SPACE(8 * sizeof(int))] = {0};
  struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};
  if (count > 0) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, (size_t)count * sizeof(int));
  }
  // What comes back tells whether it arrived.
  if (sendmsg(channel, &header, MSG_NOSIGNAL) < 0) return;
}

static void send_message(uint16_t type, const void *body, size_t length, int fd) {
  uint8_t message[128] = {0};
  memcpy(message, &type, 2);
  memcpy(message + 2, body, length);
  send_bytes(message, sizeof(message), &fd, fd >= 0 ? 1 : 0);
}

// Receives and prints one message. Returns its type.
static int receive(void) {
  static const char *const names[] = {"NONE",     "ACK",     "HELLO",     "INIT",      "ADD_REGION",
                                      "ADD_RING", "CONNECT", "CONNECTED", "DISCONNECT"};
  uint8_t message[128];
  struct iovec data = {message, sizeof(message)};
  char control[CMSG_SPACE(8 * sizeof(int))];
  struct msghdr header = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  uint16_t type;
  int fd = -1;
  if (recvmsg(channel, &header, 0) <= 0) {
    printf("end\n");
    exit(0);
  }
  struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
  if (rights != NULL) memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
  memcpy(&type, message, 2);
  printf("%s%s%s\n", type < 9 ? names[type] : "?", type == 8 ? " " : "",
         type == 8 ? (char *)message + 6 : "");
  if (type == 8) exit(0);
  struct stat file;
  if (type == 4 && fd >= 0 && fstat(fd, &file) == 0) map_region(fd, (size_t)file.st_size);
  if (type == 5) event_fd = fd;
  return type;
}

static void meet(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  strncpy(address.sun_path, word(), sizeof(address.sun_path) - 1);
  if (!is_server) {
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) fail("connect");
    channel = fd;
    return;
  }
  if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0) fail("bind");
  printf("listening\n");
  channel = accept(fd, NULL, NULL);
  close(fd);
}

static void send_hello(void) {
  uint8_t body[43] = "peer";
  uint16_t version = (uint16_t)number();
  memcpy(body + 32, &version, 2);
  version = (uint16_t)number();
  memcpy(body + 34, &version, 2);
  body[42] = (uint8_t)number();
  send_message(2, body, sizeof(body), -1);
}

static void send_init(void) {
  uint8_t body[63] = {0};
  uint16_t version = (uint16_t)number();
  uint32_t id = (uint32_t)number();
  memcpy(body, &version, 2);
  memcpy(body + 2, &id, 4);
  body[6] = (uint8_t)number();
  memcpy(body + 31, "peer\1\x1b[2J", 9);
  send_message(3, body, sizeof(body), -1);
}

static void send_region(void) {
  uint8_t body[10];
  uint16_t index = (uint16_t)number();
  uint64_t bytes = (uint64_t)number();
  size_t real = (size_t)number();
  const char *how = word();
  memcpy(body, &index, 2);
  memcpy(body + 2, &bytes, 8);
  int fd = -1;
  if (strcmp(how, "file") == 0) {
    fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  } else if (strcmp(how, "none") != 0) {
    fd = memfd_create("peer", MFD_ALLOW_SEALING | (strcmp(how, "huge") == 0 ? MFD_HUGETLB : 0));
  }
  if (fd >= 0 && strcmp(how, "huge") == 0) {
    if (ftruncate(fd, (off_t)real) != 0) fail("ftruncate");
  } else if (fd >= 0) {
    if (ftruncate(fd, (off_t)real) != 0) fail("ftruncate");
    map_region(fd, real);
  }
  if (fd >= 0 && strcmp(how, "open") != 0) fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
  if (strcmp(how, "many") != 0) {
    send_message(4, body, sizeof(body), fd);
    return;
  }
  uint8_t message[128] = {4, 0};
  memcpy(message + 2, body, sizeof(body));
  const int fds[6] = {fd, 0, 1, 2, fd, 1};
  send_bytes(message, sizeof(message), fds, 6);
}

static void send_ring(void) {
  uint8_t body[13] = {0};
  uint16_t small[3];
  for (int i = 0; i < 3; i++) small[i] = (uint16_t)number();
  uint32_t offset = (uint32_t)number();
  memcpy(body, small, 6);
  memcpy(body + 6, &offset, 4);
  body[10] = (uint8_t)number();
  const char *how = word();
  int fds[2] = {-1, -1};
  if (strcmp(how, "pipe") == 0 && pipe(fds) != 0) fail("pipe");
  if (strcmp(how, "event") == 0) event_fd = fds[1] = eventfd(0, EFD_NONBLOCK);
  send_message(5, body, sizeof(body), fds[1]);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint32_t any(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 32);
}

// Puts frames and buffers as a peer does, so that the other side stays with us, but with
// descriptors in which anything may stand, and which change while they are read.
static void scribble(void) {
  uint64_t state = (uint64_t)number() * 2 + 1;
  const double end = now_ms() + (double)number();
  uint16_t put[2] = {0, 0};
  while (now_ms() < end) {
    for (int i = 0; i < 64; i++) {
      const uint32_t value = any(&state);
      uint8_t *ring = region + (value & 1) * RING_BYTES;
      uint16_t *counter = &put[value & 1];
      const uint32_t word = any(&state);
      // Small numbers get further than large ones.
      uint32_t small = word >> (value >> 4 & 31);
      const uint32_t field = value >> 9 & 63;
      // Flags and the region, which mostly is the one that there is.
      if (field % 4 == 0 && (value >> 15 & 7) != 0) small &= 0xffff;
      // A buffer upon the rings would end it: the other side would write the counters itself.
      if (field % 4 == 2) small |= 4096;
      memcpy(ring + 128 + field * 4, &small, 4);
      if ((value & 12) == 0) memcpy(ring + 4, &small, 2);
      // The client puts at head up to tail + size, the server at tail up to head.
      uint16_t theirs;
      memcpy(&theirs, ring + (is_server ? 6 : 64), 2);
      const uint16_t room = (uint16_t)(is_server ? theirs - *counter : theirs + 16 - *counter);
      if (room == 0) continue;
      // A buffer that moved while it was read has had the other side write upon the rings.
      *counter = room > 16 ? theirs : (uint16_t)(*counter + 1);
      memcpy(ring + (is_server ? 64 : 6), counter, 2);
    }
  }
}

static void saturate(void) {
  const uint64_t most = UINT64_MAX - 1;
  fcntl(event_fd, F_SETFL, 0);
  if (write(event_fd, &most, sizeof(most)) != sizeof(most)) fail("write");
}

static void show_event(void) {
  uint64_t count = 0;
  fcntl(event_fd, F_SETFL, O_NONBLOCK);
  if (read(event_fd, &count, sizeof(count)) != sizeof(count)) fail("read");
  printf("%llu\n", (unsigned long long)count);
}

static void write_memory(const char *command) {
  const size_t at = (size_t)number();
  if (strcmp(command, "u16") == 0) {
    const uint16_t value = (uint16_t)number();
    memcpy(region + at, &value, 2);
  } else if (strcmp(command, "u32") == 0) {
    const uint32_t value = (uint32_t)number();
    memcpy(region + at, &value, 4);
  } else {
    uint16_t small[2] = {(uint16_t)number(), 0};
    small[1] = (uint16_t)number();
    uint32_t large[2] = {(uint32_t)number(), 0};
    large[1] = (uint32_t)number();
    memcpy(region + at, small, 4);
    memcpy(region + at + 4, large, 8);
  }
}

static void wait_for_line(void) {
  char line[16];
  printf("ready\n");
  if (fgets(line, sizeof(line), stdin) == NULL) exit(4);
}

static void obey(const char *command) {
  uint16_t value;
#define IS(name) strcmp(command, name) == 0
  if (IS("connect")) meet();
  else if (IS("listen")) is_server = 1, meet();
  else if (IS("hello")) send_hello();
  else if (IS("init")) send_init();
  else if (IS("region")) send_region();
  else if (IS("ring")) send_ring();
  else if (IS("send")) send_message((uint16_t)number(), "", 0, -1);
  else if (IS("raw")) send_bytes(calloc(1, 4096), (size_t)number(), NULL, 0);
  else if (IS("until")) for (const long type = number(); receive() != type;) continue;
  else if (IS("u16") || IS("u32") || IS("desc")) write_memory(command);
  else if (IS("show")) memcpy(&value, region + number(), 2), printf("%u\n", value);
  else if (IS("saturate")) saturate();
  else if (IS("event")) show_event();
  else if (IS("line")) wait_for_line();
  else if (IS("sleep")) usleep((useconds_t)number() * 1000);
  else if (IS("scribble")) scribble();
  else if (IS("shrink")) printf("%s\n", ftruncate(region_fd, number()) == 0 ? "shrunk" : "sealed");
  else exit(5);
}

int main(int count, char **words) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (next = words + 1; next < words + count;) obey(word());
  printf("done\n");
  return 0;
}
