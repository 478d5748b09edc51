#include "core/aligned.h"

#include <sys/mman.h>

#include "core/check.h"

namespace kedge {
namespace {
constexpr size_t kHugePageBytes = size_t{2} << 20;
}

PageBuffer::PageBuffer(size_t bytes) {
  if (bytes == 0) return;
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return;
  if (bytes >= kHugePageBytes) ::madvise(address, bytes, MADV_HUGEPAGE);
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
