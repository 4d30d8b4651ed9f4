// SPDX-License-Identifier: MIT
// The upper bound for a stack on a driver: it answers as a TCP server would whose every connection
// goes well, and keeps no state. What it sends follows from the segment that it answers: SYN by SYN
// and ACK, bytes by the same bytes, FIN by FIN. It never retransmits, waits or limits anything.
//
//   responder af_packet|af_xdp INTERFACE ADDRESS
//   responder tap INTERFACE ADDRESS           the interface exists, and its TAP device is free
//
// It spins, says "ready", and leaves when its standard input ends, or after half an hour.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { kFrameBytes = 2048, kLifetimeSeconds = 1800, kRoundsPerLook = 4096, kBurst = 64 };
enum { kEthernetBytes = 14, kIpBytes = 20, kTcpBytes = 20, kArpBytes = 42 };
enum { kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16 };

static uint8_t our_mac[6] = {2, 0, 0, 0, 7, 7};
static uint32_t our_address;

static void Fail(const char* what) {
  fprintf(stderr, "responder: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint16_t Read16(const uint8_t* at) { return (uint16_t)(at[0] << 8 | at[1]); }

static uint32_t Read32(const uint8_t* at) { return (uint32_t)Read16(at) << 16 | Read16(at + 2); }

static void Write16(uint8_t* at, uint32_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static void Write32(uint8_t* at, uint32_t value) {
  Write16(at, value >> 16);
  Write16(at + 2, value);
}

static uint32_t Sum(const uint8_t* at, size_t length, uint32_t sum) {
  for (size_t i = 0; i + 1 < length; i += 2) sum += Read16(at + i);
  return length % 2 == 0 ? sum : sum + (uint32_t)(at[length - 1] << 8);
}

static uint32_t Fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return ~((sum & 0xffff) + (sum >> 16));
}

static size_t AnswerArp(const uint8_t* in, size_t length, uint8_t* out) {
  if (length < kArpBytes || Read16(in + 20) != 1 || Read32(in + 38) != our_address) return 0;
  memcpy(out, in, kArpBytes);
  memcpy(out, in + 6, 6);
  memcpy(out + 6, our_mac, 6);
  Write16(out + 20, 2);
  memcpy(out + 22, our_mac, 6);
  Write32(out + 28, our_address);
  memcpy(out + 32, in + 22, 10);
  return kArpBytes;
}

static void Finish(uint8_t* out, size_t tcp_length) {
  uint8_t* ip = out + kEthernetBytes;
  uint8_t* tcp = ip + kIpBytes;
  Write16(ip + 2, (uint32_t)(kIpBytes + tcp_length));
  Write16(ip + 10, 0);
  Write16(ip + 10, Fold(Sum(ip, kIpBytes, 0)));
  Write16(tcp + 16, 0);
  const uint32_t pseudo = Sum(ip + 12, 8, 6 + (uint32_t)tcp_length);
  Write16(tcp + 16, Fold(Sum(tcp, tcp_length, pseudo)));
}

// Writes the answer to a frame. Returns its length, or 0 if it deserves none.
static size_t Answer(const uint8_t* in, size_t length, uint8_t* out) {
  if (length >= kEthernetBytes && Read16(in + 12) == 0x0806) return AnswerArp(in, length, out);
  const uint8_t* ip = in + kEthernetBytes;
  if (length < kEthernetBytes + kIpBytes + kTcpBytes || Read16(in + 12) != 0x0800) return 0;
  if (ip[0] != 0x45 || ip[9] != 6 || Read32(ip + 16) != our_address) return 0;
  const uint8_t* tcp = ip + kIpBytes;
  const size_t header = (size_t)(tcp[12] >> 4) * 4;
  const size_t ip_length = Read16(ip + 2);
  if (ip_length + kEthernetBytes > length || kIpBytes + header > ip_length) return 0;
  const size_t payload = ip_length - kIpBytes - header;
  const uint8_t flags = tcp[13];
  if ((flags & kRst) != 0 || (payload == 0 && (flags & (kSyn | kFin)) == 0)) return 0;
  memcpy(out, in + 6, 6);
  memcpy(out + 6, our_mac, 6);
  Write16(out + 12, 0x0800);
  static const uint8_t kIpStart[12] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6};
  memcpy(out + kEthernetBytes, kIpStart, sizeof(kIpStart));
  memcpy(out + kEthernetBytes + 12, ip + 16, 4);
  memcpy(out + kEthernetBytes + 16, ip + 12, 4);
  uint8_t* answer = out + kEthernetBytes + kIpBytes;
  memcpy(answer, tcp + 2, 2);
  memcpy(answer + 2, tcp, 2);
  const bool is_syn = (flags & kSyn) != 0;
  const bool is_fin = (flags & kFin) != 0;
  const size_t options = is_syn ? 4 : 0;
  memcpy(answer + 4, tcp + 8, 4);
  Write32(answer + 8, Read32(tcp + 4) + (uint32_t)payload + (is_syn || is_fin ? 1 : 0));
  answer[12] = (uint8_t)((kTcpBytes + options) / 4 << 4);
  answer[13] = (uint8_t)(kAck | (is_syn ? kSyn : 0) | (is_fin ? kFin : 0) | (payload ? kPsh : 0));
  Write16(answer + 14, 0xffff);
  Write16(answer + 18, 0);
  if (is_syn) {
    // Our own sequence numbers begin anywhere; the only option is a segment size of 1,460.
    Write32(answer + 4, Read32(tcp + 4) * 2654435761u);
    Write32(answer + kTcpBytes, 0x020405b4);
  }
  memcpy(answer + kTcpBytes + options, tcp + header, payload);
  Finish(out, kTcpBytes + options + payload);
  return kEthernetBytes + kIpBytes + kTcpBytes + options + payload;
}

// Each driver opens with the interface's name, and answers what has come once per round.
struct Driver {
  const char* name;
  void (*open)(const char* interface);
  void (*round)(void);
};

static unsigned IndexOf(const char* interface) {
  const unsigned index = if_nametoindex(interface);
  if (index == 0) Fail(interface);
  return index;
}

// The interface's MAC address is ours, so that its frames are for us.
static void TakeMac(const char* interface) {
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0) Fail(interface);
  memcpy(our_mac, request.ifr_hwaddr.sa_data, 6);
  close(fd);
}

static int tap_fd;

static void OpenTap(const char* interface) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
  tap_fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tap_fd < 0) Fail("/dev/net/tun");
  if (ioctl(tap_fd, TUNSETIFF, &request) != 0) Fail("TUNSETIFF");
}

static void RoundTap(void) {
  static uint8_t in[65536], out[65536];
  for (int i = 0; i < kBurst; i++) {
    const ssize_t length = read(tap_fd, in, sizeof(in));
    if (length < 0) return;
    const size_t answer = Answer(in, (size_t)length, out);
    // A full queue drops a frame, as a cable would.
    if (answer > 0 && write(tap_fd, out, answer) < 0 && errno != EAGAIN) Fail("write");
  }
}

#include "responder-packet.h"
#include "responder-xdp.h"

static const struct Driver kDrivers[] = {
    {"af_packet", OpenPacket, RoundPacket},
    {"af_xdp", OpenXdp, RoundXdp},
    {"tap", OpenTap, RoundTap},
};

static bool InputHasEnded(void) {
  uint8_t bytes[64];
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0;
}

int main(int argc, char** argv) {
  const struct Driver* driver = NULL;
  for (size_t i = 0; argc == 4 && i < sizeof(kDrivers) / sizeof(kDrivers[0]); i++) {
    if (strcmp(argv[1], kDrivers[i].name) == 0) driver = &kDrivers[i];
  }
  struct in_addr address;
  if (driver == NULL || inet_pton(AF_INET, argv[3], &address) != 1) {
    fprintf(stderr, "responder af_packet|af_xdp|tap INTERFACE ADDRESS\n");
    return 2;
  }
  our_address = ntohl(address.s_addr);
  alarm(kLifetimeSeconds);
  driver->open(argv[2]);
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) Fail("write");
  while (!InputHasEnded()) {
    for (int i = 0; i < kRoundsPerLook; i++) driver->round();
  }
  return 0;
}
