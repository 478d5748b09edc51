#include "text/tokenizer/charsmap.h"

#include <fmt/format.h>

#include <cstring>

namespace kedge::text {
namespace {

// The units of a Darts-clone double array.
bool has_leaf(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t value_of(uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
uint32_t label_of(uint32_t unit) {
  return unit & (0x80000000U | 0xFF);
}
uint32_t offset_of(uint32_t unit) {
  return unit >> 10 << ((unit & 0x200) >> 6);
}

}  // namespace

Result<std::shared_ptr<const Charsmap>> Charsmap::parse(std::string_view bytes) {
  if (bytes.size() > kBytesMax) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("precompiled_charsmap has {} bytes, the limit is {}", bytes.size(), kBytesMax)};
  }
  uint32_t trie_bytes = 0;
  if (bytes.size() >= 4) std::memcpy(&trie_bytes, bytes.data(), 4);
  if (bytes.size() < 4 || trie_bytes % 4 != 0 || trie_bytes > bytes.size() - 4 || trie_bytes == 0) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("precompiled_charsmap: {} bytes with a trie of {}, expected a multiple of 4 within them",
                             bytes.size(), trie_bytes)};
  }
  auto map = std::make_shared<Charsmap>();
  map->units_.resize(trie_bytes / 4);
  std::memcpy(map->units_.data(), bytes.data() + 4, trie_bytes);
  map->replacements_ = bytes.substr(4 + size_t{trie_bytes});
  return std::shared_ptr<const Charsmap>(std::move(map));
}

std::optional<Charsmap::Match> Charsmap::find(std::string_view text, bool longest) const {
  std::optional<Match> found;
  size_t node = offset_of(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    // Label 0 is the leaf's own, so a NUL in the text never matches.
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) break;
    const uint32_t offset = value_of(units_[node]);
    if (offset > replacements_.size()) break;
    const std::string_view rest = std::string_view(replacements_).substr(offset);
    found = Match{i + 1, rest.substr(0, rest.find('\0'))};
    if (!longest) break;
  }
  return found;
}

}  // namespace kedge::text
