#pragma once
// Working memory that a thread keeps: it grows to the largest size asked for and is reused, so that a warm call
// allocates nothing. On huge pages where it is large: small ones lie anywhere in physical memory, and crowd some sets
// of the second-level cache.

#include <cstddef>

#include "core/aligned.h"
#include "core/check.h"

namespace kedge::cpu {

/// Declare as thread_local. Contents do not survive the next call of take.
class Scratch {
 public:
  /// At least `bytes` bytes on a cache-line border.
  std::byte* take(size_t bytes) {
    if (bytes > buffer_.size()) {
      buffer_ = PageBuffer();
      buffer_ = PageBuffer(bytes);
      KEDGE_CHECK(buffer_.data() != nullptr);
    }
    return buffer_.data();
  }

 private:
  PageBuffer buffer_;
};

}  // namespace kedge::cpu
