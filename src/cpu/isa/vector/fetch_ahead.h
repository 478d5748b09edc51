#pragma once
// Packed weights asked for before they are needed.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace kedge::cpu {
namespace {

/// Asks for bytes ahead, a part with every group; for the next panel's while several passes go over this one.
class FetchAhead {
 public:
  /// `step`: bytes a group.
  FetchAhead(const std::byte* bytes, int64_t step) : next_(bytes), target_(bytes), step_(step) {}
  void one_group_further() {
    for (target_ += step_; next_ < target_; next_ += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(next_), _MM_HINT_T1);
    }
  }

 private:
  const std::byte* next_;
  const std::byte* target_;
  int64_t step_;
};

}  // namespace
}  // namespace kedge::cpu
