// SPDX-License-Identifier: MIT
// The responder on AF_XDP, queue 0: native where the driver of the interface can, else generic. The
// program that redirects every frame to the socket goes with this process. A part of responder.c.

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { kXdpSlots = 2048 };

struct XdpRing {
  uint32_t* producer;
  uint32_t* consumer;
  uint32_t* flags;
  void* slots;
};

static int xdp_fd;
static uint8_t* xdp_memory;
static struct XdpRing xdp_fill, xdp_rx, xdp_tx, xdp_done;

static int Bpf(int command, union bpf_attr* attributes) {
  return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static struct XdpRing MapRing(const struct xdp_ring_offset* at, size_t slot_bytes, off_t page) {
  const size_t bytes = at->desc + kXdpSlots * slot_bytes;
  uint8_t* base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, xdp_fd, page);
  if (base == MAP_FAILED) Fail("mmap of a ring");
  return (struct XdpRing){(uint32_t*)(base + at->producer), (uint32_t*)(base + at->consumer),
                          (uint32_t*)(base + at->flags), base + at->desc};
}

// Attaches a program of five instructions: to the socket of this queue, or else to the kernel.
static void AttachXdp(unsigned interface) {
  union bpf_attr map = {
      .map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = 1};
  const int map_fd = Bpf(BPF_MAP_CREATE, &map);
  if (map_fd < 0) Fail("AF_XDP needs root: BPF_MAP_CREATE");
  const uint32_t key = 0;
  union bpf_attr element = {.map_fd = (uint32_t)map_fd};
  element.key = (uint64_t)(uintptr_t)&key;
  element.value = (uint64_t)(uintptr_t)&xdp_fd;
  if (Bpf(BPF_MAP_UPDATE_ELEM, &element) != 0) Fail("BPF_MAP_UPDATE_ELEM");
  const struct bpf_insn code[] = {
      {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 16},
      {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map_fd},
      {0},
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
      {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
      {.code = BPF_JMP | BPF_EXIT},
  };
  union bpf_attr program = {.prog_type = BPF_PROG_TYPE_XDP,
                            .insn_cnt = sizeof(code) / sizeof(code[0])};
  program.insns = (uint64_t)(uintptr_t)code;
  program.license = (uint64_t)(uintptr_t) "Dual MIT/GPL";
  const int program_fd = Bpf(BPF_PROG_LOAD, &program);
  if (program_fd < 0) Fail("BPF_PROG_LOAD");
  const uint32_t modes[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
  for (int i = 0; i < 2; i++) {
    union bpf_attr link = {0};
    link.link_create.prog_fd = (uint32_t)program_fd;
    link.link_create.target_ifindex = interface;
    link.link_create.attach_type = BPF_XDP;
    link.link_create.flags = modes[i];
    if (Bpf(BPF_LINK_CREATE, &link) >= 0) return;
  }
  Fail("BPF_LINK_CREATE");
}

static void OpenXdp(const char* name) {
  const unsigned interface = IndexOf(name);
  TakeMac(name);
  const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK, &unlimited);
  xdp_fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (xdp_fd < 0) Fail("AF_XDP");
  const size_t bytes = 2ul * kXdpSlots * kFrameBytes;
  xdp_memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (xdp_memory == MAP_FAILED) Fail("mmap");
  struct xdp_umem_reg memory = {
      .addr = (uint64_t)(uintptr_t)xdp_memory, .len = bytes, .chunk_size = kFrameBytes};
  const int slots = kXdpSlots;
  struct xdp_mmap_offsets at;
  socklen_t length = sizeof(at);
  if (setsockopt(xdp_fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)) != 0 ||
      setsockopt(xdp_fd, SOL_XDP, XDP_UMEM_FILL_RING, &slots, sizeof(slots)) != 0 ||
      setsockopt(xdp_fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &slots, sizeof(slots)) != 0 ||
      setsockopt(xdp_fd, SOL_XDP, XDP_RX_RING, &slots, sizeof(slots)) != 0 ||
      setsockopt(xdp_fd, SOL_XDP, XDP_TX_RING, &slots, sizeof(slots)) != 0 ||
      getsockopt(xdp_fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length) != 0) {
    Fail("setsockopt of AF_XDP");
  }
  xdp_fill = MapRing(&at.fr, 8, XDP_UMEM_PGOFF_FILL_RING);
  xdp_done = MapRing(&at.cr, 8, XDP_UMEM_PGOFF_COMPLETION_RING);
  xdp_rx = MapRing(&at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
  xdp_tx = MapRing(&at.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
  // The first half of the memory is for receiving, the second for sending.
  for (uint64_t i = 0; i < kXdpSlots; i++) ((uint64_t*)xdp_fill.slots)[i] = i * kFrameBytes;
  __atomic_store_n(xdp_fill.producer, kXdpSlots, __ATOMIC_RELEASE);
  struct sockaddr_xdp here = {.sxdp_family = AF_XDP,
                              .sxdp_ifindex = interface,
                              .sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP};
  // A socket that was closed just now keeps its queue for some milliseconds.
  for (int i = 0; bind(xdp_fd, (struct sockaddr*)&here, sizeof(here)) != 0; i++) {
    if (errno != EBUSY || i == 100) Fail("bind");
    usleep(5000);
  }
  AttachXdp(interface);
}

static void RoundXdp(void) {
  const uint32_t arrived = __atomic_load_n(xdp_rx.producer, __ATOMIC_ACQUIRE);
  uint32_t received = *xdp_rx.consumer;
  uint32_t filled = *xdp_fill.producer;
  uint32_t sent = *xdp_tx.producer;
  const uint32_t was_sent = sent;
  const uint32_t done = __atomic_load_n(xdp_done.producer, __ATOMIC_ACQUIRE);
  // What is sent is done in order, so the slots of the second half are free in order too.
  __atomic_store_n(xdp_done.consumer, done, __ATOMIC_RELEASE);
  for (; received != arrived && sent - done < kXdpSlots; received++) {
    const struct xdp_desc in = ((struct xdp_desc*)xdp_rx.slots)[received % kXdpSlots];
    const uint64_t to = (kXdpSlots + (uint64_t)(sent % kXdpSlots)) * kFrameBytes;
    const size_t length = Answer(xdp_memory + in.addr, in.len, xdp_memory + to);
    ((uint64_t*)xdp_fill.slots)[filled++ % kXdpSlots] = in.addr & ~(uint64_t)(kFrameBytes - 1);
    if (length == 0) continue;
    ((struct xdp_desc*)xdp_tx.slots)[sent++ % kXdpSlots] =
        (struct xdp_desc){.addr = to, .len = (uint32_t)length};
  }
  __atomic_store_n(xdp_rx.consumer, received, __ATOMIC_RELEASE);
  __atomic_store_n(xdp_fill.producer, filled, __ATOMIC_RELEASE);
  __atomic_store_n(xdp_tx.producer, sent, __ATOMIC_RELEASE);
  if (sent == was_sent && sent == done) return;
  if ((*xdp_tx.flags & XDP_RING_NEED_WAKEUP) == 0) return;
  if (sendto(xdp_fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN && errno != EBUSY &&
      errno != ENOBUFS) {
    Fail("sendto");
  }
}
