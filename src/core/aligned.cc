#include "core/aligned.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "core/check.h"

namespace kedge {
namespace {
constexpr size_t kHugePageBytes = size_t{2} << 20;

void* map(size_t bytes) {
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/// On a border of huge pages, without which none would begin before the next one: mapped larger, and cut.
void* map_on_border(size_t bytes) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t wanted = (bytes + page - 1) / page * page;
  void* const mapped = map(wanted + kHugePageBytes);
  if (mapped == MAP_FAILED) return MAP_FAILED;
  auto* const begin = static_cast<std::byte*>(mapped);
  const size_t before = (kHugePageBytes - reinterpret_cast<uintptr_t>(mapped) % kHugePageBytes) % kHugePageBytes;
  if (before > 0) ::munmap(begin, before);
  if (before < kHugePageBytes) ::munmap(begin + before + wanted, kHugePageBytes - before);
  ::madvise(begin + before, wanted, MADV_HUGEPAGE);  // refused where the system has none: ordinary pages then
  return begin + before;
}

}  // namespace

PageBuffer::PageBuffer(size_t bytes) {
  if (bytes == 0) return;
  void* const address = bytes >= kHugePageBytes ? map_on_border(bytes) : map(bytes);
  if (address == MAP_FAILED) return;
  bytes_ = {static_cast<std::byte*>(address), Unmap{bytes}};
}

void PageBuffer::Unmap::operator()(std::byte* bytes) const {
  ::munmap(bytes, size);
}

std::byte* Arena::take_bytes(size_t bytes) {
  KEDGE_CHECK(bytes <= buffer_.size() - used_);
  std::byte* part = buffer_.data() + used_;
  used_ += bytes;
  return part;
}

}  // namespace kedge
