#pragma once
// Working memory that a thread keeps: it grows to the largest size asked for and is reused, so that a warm call
// allocates nothing.

#include <cstddef>
#include <memory>
#include <new>

namespace kedge::cpu {

/// Declare as thread_local. Contents do not survive the next call of take.
class Scratch {
 public:
  /// At least `bytes` bytes on a cache-line border.
  std::byte* take(size_t bytes) {
    if (bytes > size_) {
      bytes_.reset();
      bytes_.reset(new (kAlignment) std::byte[bytes]);
      size_ = bytes;
    }
    return bytes_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete[](bytes, kAlignment); }
  };
  std::unique_ptr<std::byte[], Free> bytes_;
  size_t size_ = 0;
};

}  // namespace kedge::cpu
