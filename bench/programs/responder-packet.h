// SPDX-License-Identifier: MIT
// The responder on AF_PACKET: TPACKET_V2 rings both ways. A part of responder.c.

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { kPacketSlots = 2048, kPacketBlockBytes = 65536 };

static int packet_fd;
static uint8_t* packet_rx;
static uint8_t* packet_tx;
static unsigned packet_rx_at;
static unsigned packet_tx_at;

static void OpenPacket(const char* interface) {
  TakeMac(interface);
  packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (packet_fd < 0) Fail("AF_PACKET");
  const int version = TPACKET_V2;
  const int one = 1;
  struct tpacket_req ring = {.tp_block_size = kPacketBlockBytes,
                             .tp_block_nr = kPacketSlots * kFrameBytes / kPacketBlockBytes,
                             .tp_frame_size = kFrameBytes,
                             .tp_frame_nr = kPacketSlots};
  if (setsockopt(packet_fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0 ||
      setsockopt(packet_fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
      setsockopt(packet_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) != 0 ||
      setsockopt(packet_fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) != 0 ||
      setsockopt(packet_fd, SOL_PACKET, PACKET_TX_RING, &ring, sizeof(ring)) != 0) {
    Fail("setsockopt");
  }
  const size_t bytes = (size_t)kPacketSlots * kFrameBytes;
  packet_rx = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_SHARED, packet_fd, 0);
  if (packet_rx == MAP_FAILED) Fail("mmap");
  packet_tx = packet_rx + bytes;
  struct sockaddr_ll here = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)IndexOf(interface)};
  if (bind(packet_fd, (struct sockaddr*)&here, sizeof(here)) != 0) Fail("bind");
}

static uint32_t PacketStatus(uint8_t* slot) {
  return __atomic_load_n(&((struct tpacket2_hdr*)slot)->tp_status, __ATOMIC_ACQUIRE);
}

static void SetPacketStatus(uint8_t* slot, uint32_t status) {
  __atomic_store_n(&((struct tpacket2_hdr*)slot)->tp_status, status, __ATOMIC_RELEASE);
}

static void RoundPacket(void) {
  int answers = 0;
  for (int i = 0; i < kBurst; i++) {
    uint8_t* in = packet_rx + (size_t)(packet_rx_at % kPacketSlots) * kFrameBytes;
    uint8_t* out = packet_tx + (size_t)(packet_tx_at % kPacketSlots) * kFrameBytes;
    if ((PacketStatus(in) & TP_STATUS_USER) == 0) break;
    if (PacketStatus(out) != TP_STATUS_AVAILABLE) break;
    const struct tpacket2_hdr* header = (const struct tpacket2_hdr*)in;
    uint8_t* frame = out + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
    const size_t length = Answer(in + header->tp_mac, header->tp_snaplen, frame);
    SetPacketStatus(in, TP_STATUS_KERNEL);
    packet_rx_at++;
    if (length == 0) continue;
    ((struct tpacket2_hdr*)out)->tp_len = (uint32_t)length;
    SetPacketStatus(out, TP_STATUS_SEND_REQUEST);
    packet_tx_at++;
    answers++;
  }
  if (answers > 0 && send(packet_fd, NULL, 0, MSG_DONTWAIT) < 0 && errno != EAGAIN &&
      errno != ENOBUFS) {
    Fail("send");
  }
}
