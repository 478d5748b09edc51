#pragma once
// The symbol that each character is before any merge.

#include <cstdint>
#include <vector>

namespace kedge::text {

/// A map from code points to numbers, in blocks that exist only where a vocabulary has characters.
class CharacterSymbols {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  /// REQUIRES: code < 0x110000.
  void set(char32_t code, uint32_t symbol) {
    auto& block = blocks_[code >> kBlockBits];
    if (block.empty()) block.assign(size_t{1} << kBlockBits, kNone);
    block[code & kBlockMask] = symbol;
  }

  [[nodiscard]] uint32_t find(char32_t code) const {
    if (code >= 0x110000) return kNone;
    const auto& block = blocks_[code >> kBlockBits];
    return block.empty() ? kNone : block[code & kBlockMask];
  }

 private:
  static constexpr int kBlockBits = 8;
  static constexpr char32_t kBlockMask = (1 << kBlockBits) - 1;

  std::vector<std::vector<uint32_t>> blocks_ = std::vector<std::vector<uint32_t>>(0x110000 >> kBlockBits);
};

}  // namespace kedge::text
