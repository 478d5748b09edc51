#pragma once
// Which characters stand side by side inside some token: where they do not, a text can be cut before merging.

#include <cstdint>
#include <string_view>
#include <vector>

namespace kedge::text {

class CharacterJoins {
 public:
  CharacterJoins() : dense_(kDense * kDense), sparse_(kSparse) {}

  /// Notes every pair of neighbours in `piece`.
  void note(std::string_view piece);

  /// False: no noted piece has `left` directly before `right`. (True is right but for rare collisions, which only make
  /// parts longer.)
  [[nodiscard]] bool may_join(char32_t left, char32_t right) const {
    const uint32_t a = dense_index(left);
    const uint32_t b = dense_index(right);
    if (a < kDense && b < kDense) return dense_[a * kDense + b];
    return sparse_[sparse_index(left, right)];
  }

 private:
  static constexpr uint32_t kDense = 129;  // ASCII and the space sign of SentencePiece, exactly
  static constexpr int kSparseBits = 18;
  static constexpr size_t kSparse = size_t{1} << kSparseBits;

  static uint32_t dense_index(char32_t code) { return code < 128 ? code : code == 0x2581 ? 128 : kDense; }
  static size_t sparse_index(char32_t left, char32_t right) {
    return (static_cast<uint64_t>(left) << 32 | right) * 0x9E3779B97F4A7C15ULL >> (64 - kSparseBits);
  }

  std::vector<uint8_t> dense_;
  std::vector<uint8_t> sparse_;
};

}  // namespace kedge::text
