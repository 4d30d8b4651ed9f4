// SPDX-License-Identifier: MIT

#include "memif-region.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <utility>

namespace caraway {

MemifRegion::MemifRegion(MemifRegion&& other) noexcept { *this = std::move(other); }

MemifRegion& MemifRegion::operator=(MemifRegion&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  return *this;
}

MemifRegion::~MemifRegion() {
  if (base_ != nullptr) munmap(base_, size_);
}

bool MemifRegion::Create(size_t bytes, UniqueFd* descriptor) {
  UniqueFd fd(memfd_create("caraway-memif", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid() || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return false;
  // The peer would be as wrong as we to trust memory that can shrink.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return false;
  if (!MapAll(fd.get(), bytes)) return false;
  *descriptor = std::move(fd);
  return true;
}

const char* MemifRegion::Map(const UniqueFd& descriptor, uint64_t bytes, uint64_t most) {
  const int fd = descriptor.get();
  if (fd < 0) return "no descriptor came with the region";
  const int seals = fcntl(fd, F_GET_SEALS);
  // Of memory that shrinks, the next access would be a SIGBUS. No file but a memfd has seals.
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
    return "region is no memfd sealed against shrinking";
  // Nor may there be a hole without a page to fill it, as where huge pages have run out.
  struct statfs filesystem {};
  if (fstatfs(fd, &filesystem) != 0 || filesystem.f_type != TMPFS_MAGIC) {
    return "region is not of ordinary pages";
  }
  struct stat file {};
  if (fstat(fd, &file) != 0 || bytes == 0 || bytes > static_cast<uint64_t>(file.st_size)) {
    return "region is not as large as told";
  }
  if (bytes > most) return "regions are larger than 2 GB together";
  return MapAll(fd, bytes) ? nullptr : "region cannot be mapped";
}

bool MemifRegion::MapAll(int fd, size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;
  base_ = static_cast<uint8_t*>(memory);
  size_ = bytes;
  return true;
}

}  // namespace caraway
