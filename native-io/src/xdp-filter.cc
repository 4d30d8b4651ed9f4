// SPDX-License-Identifier: MIT

#include "xdp-filter.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstddef>
#include <cstring>

namespace caraway {
namespace {

// Offsets in a frame: Ethernet (14 bytes), then ARP (RFC 826) or IPv4 (RFC 791).
constexpr int16_t kEtherType = 12;
constexpr int16_t kArpTargetAddress = 38;
constexpr int16_t kArpEnd = 42;
constexpr int16_t kIpv4VersionAndLength = 14;
constexpr int16_t kIpv4Fragment = 20;
constexpr int16_t kIpv4Protocol = 23;
constexpr int16_t kIpv4Destination = 30;
constexpr int16_t kIpv4End = 34;
// With the length of the IPv4 header added to the start of the frame: destination port of TCP, UDP.
constexpr int16_t kPort = kEthernetHeaderBytes + 2;
constexpr int16_t kPortEnd = kPort + 2;
// The low 13 bits are the offset, 0x2000 says that more fragments follow.
constexpr uint16_t kFragmentMask = 0x3fff;

// Registers. r0 is the result, r1 to r5 are arguments of a call, r6 to r9 survive it.
constexpr uint8_t kFrame = BPF_REG_2;
constexpr uint8_t kFrameEnd = BPF_REG_3;
constexpr uint8_t kLimit = BPF_REG_4;
constexpr uint8_t kValue = BPF_REG_5;
constexpr uint8_t kContext = BPF_REG_6;

// Appends instructions; jumps go forward, to labels that are placed later.
class Assembler {
 public:
  using Label = size_t;

  Label NewLabel() {
    jumps_.emplace_back();
    return jumps_.size() - 1;
  }

  void Place(Label label) {
    for (const size_t jump : jumps_[label]) {
      code_[jump].off = static_cast<int16_t>(code_.size() - jump - 1);
    }
  }

  void Emit(int op, uint8_t to, uint8_t from = 0, int16_t offset = 0, int32_t immediate = 0) {
    bpf_insn instruction{};
    instruction.code = static_cast<uint8_t>(op);
    instruction.dst_reg = to & 0xf;
    instruction.src_reg = from & 0xf;
    instruction.off = offset;
    instruction.imm = immediate;
    code_.push_back(instruction);
  }

  // `size` is BPF_B, BPF_H or BPF_W; the value keeps the byte order of the wire.
  void Load(int size, uint8_t to, uint8_t from, int16_t offset) {
    Emit(BPF_LDX | BPF_MEM | size, to, from, offset);
  }

  // `comparison` of the low 32 bits of kValue with a constant.
  void JumpIf(int comparison, uint32_t constant, Label label) {
    jumps_[label].push_back(code_.size());
    Emit(BPF_JMP32 | comparison | BPF_K, kValue, 0, 0, static_cast<int32_t>(constant));
  }

  void Jump(Label label) {
    jumps_[label].push_back(code_.size());
    Emit(BPF_JMP | BPF_JA, 0);
  }

  // The verifier wants every access behind such a comparison.
  void JumpIfShorter(int16_t bytes, Label label) {
    Emit(BPF_ALU64 | BPF_MOV | BPF_X, kLimit, kFrame);
    Emit(BPF_ALU64 | BPF_ADD | BPF_K, kLimit, 0, 0, bytes);
    jumps_[label].push_back(code_.size());
    Emit(BPF_JMP | BPF_JGT | BPF_X, kLimit, kFrameEnd);
  }

  std::vector<bpf_insn> Take() { return std::move(code_); }

 private:
  std::vector<bpf_insn> code_;
  std::vector<std::vector<size_t>> jumps_;
};

// Goes on with a frame to our station or to all, else to `pass`.
void CheckStation(Assembler* code, const std::array<uint8_t, kMacBytes>& mac,
                  Assembler::Label pass) {
  uint32_t first;
  uint16_t last;
  std::memcpy(&first, mac.data(), sizeof(first));
  std::memcpy(&last, mac.data() + sizeof(first), sizeof(last));
  const auto all = code->NewLabel();
  const auto ours = code->NewLabel();
  code->Load(BPF_W, kValue, kFrame, 0);
  code->JumpIf(BPF_JNE, first, all);
  code->Load(BPF_H, kValue, kFrame, 4);
  code->JumpIf(BPF_JEQ, last, ours);
  code->Load(BPF_W, kValue, kFrame, 0);
  code->Place(all);
  code->JumpIf(BPF_JNE, 0xffffffff, pass);
  code->Load(BPF_H, kValue, kFrame, 4);
  code->JumpIf(BPF_JNE, 0xffff, pass);
  code->Place(ours);
}

void CheckAddress(Assembler* code, int16_t offset, const XdpFilter& filter, Assembler::Label found,
                  Assembler::Label pass) {
  code->Load(BPF_W, kValue, kFrame, offset);
  for (const uint32_t address : filter.addresses) code->JumpIf(BPF_JEQ, address, found);
  code->Jump(pass);
}

// ICMP is the stack's: it is about its connections as well. A fragment does not tell its port, so
// all of them stay with the kernel.
void CheckPort(Assembler* code, const XdpFilter& filter, Assembler::Label ours,
               Assembler::Label pass) {
  const auto has_port = code->NewLabel();
  code->Load(BPF_H, kValue, kFrame, kIpv4Fragment);
  code->Emit(BPF_ALU | BPF_AND | BPF_K, kValue, 0, 0, htons(kFragmentMask));
  code->JumpIf(BPF_JNE, 0, pass);
  code->Load(BPF_B, kValue, kFrame, kIpv4Protocol);
  code->JumpIf(BPF_JEQ, IPPROTO_ICMP, ours);
  code->JumpIf(BPF_JEQ, IPPROTO_TCP, has_port);
  code->JumpIf(BPF_JNE, IPPROTO_UDP, pass);
  code->Place(has_port);
  code->Load(BPF_B, kValue, kFrame, kIpv4VersionAndLength);
  code->Emit(BPF_ALU | BPF_AND | BPF_K, kValue, 0, 0, 0xf);
  code->Emit(BPF_ALU | BPF_LSH | BPF_K, kValue, 0, 0, 2);
  code->Emit(BPF_ALU64 | BPF_ADD | BPF_X, kFrame, kValue);
  code->JumpIfShorter(kPortEnd, pass);
  code->Load(BPF_H, kValue, kFrame, kPort);
  for (const uint16_t port : filter.ports) code->JumpIf(BPF_JEQ, htons(port), ours);
  code->Jump(pass);
}

}  // namespace

std::vector<bpf_insn> AssembleFilter(const XdpFilter& filter, int map_fd) {
  Assembler code;
  const auto ipv4 = code.NewLabel();
  const auto port = code.NewLabel();
  const auto ours = code.NewLabel();
  const auto pass = code.NewLabel();
  code.Emit(BPF_ALU64 | BPF_MOV | BPF_X, kContext, BPF_REG_1);
  code.Load(BPF_W, kFrame, kContext, offsetof(xdp_md, data));
  code.Load(BPF_W, kFrameEnd, kContext, offsetof(xdp_md, data_end));
  code.JumpIfShorter(kIpv4End, pass);
  CheckStation(&code, filter.mac, pass);
  code.Load(BPF_H, kValue, kFrame, kEtherType);
  code.JumpIf(BPF_JEQ, htons(0x0800), ipv4);
  code.JumpIf(BPF_JNE, htons(0x0806), pass);
  code.JumpIfShorter(kArpEnd, pass);
  CheckAddress(&code, kArpTargetAddress, filter, ours, pass);
  code.Place(ipv4);
  CheckAddress(&code, kIpv4Destination, filter, filter.ports.empty() ? ours : port, pass);
  code.Place(port);
  if (!filter.ports.empty()) CheckPort(&code, filter, ours, pass);
  code.Place(ours);
  code.Load(BPF_W, BPF_REG_2, kContext, offsetof(xdp_md, rx_queue_index));
  // A constant of 64 bits takes two instructions; the kernel puts the map's address there.
  code.Emit(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd);
  code.Emit(0, 0);
  // To the kernel where the queue has no socket.
  code.Emit(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_PASS);
  code.Emit(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
  code.Emit(BPF_JMP | BPF_EXIT, 0);
  code.Place(pass);
  code.Emit(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS);
  code.Emit(BPF_JMP | BPF_EXIT, 0);
  return code.Take();
}

}  // namespace caraway
