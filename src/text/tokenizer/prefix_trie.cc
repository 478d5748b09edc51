#include "text/tokenizer/prefix_trie.h"

#include <cstring>

#include "core/check.h"

namespace kedge::text {

void PrefixTrie::add(std::string_view string, uint32_t value) {
  KEDGE_CHECK(!string.empty() && value != PairTable::kNone);
  const auto first = static_cast<uint8_t>(string[0]);
  if (string.size() > 1) first_two_.set(size_t{first} << 8 | static_cast<uint8_t>(string[1]));
  for (size_t second = 0; string.size() == 1 && second < 256; ++second) first_two_.set(size_t{first} << 8 | second);
  if (!first_[first]) {
    first_[first] = true;
    ++first_count_;
    only_first_ = string[0];
  }
  uint32_t node = 0;
  for (const char character : string) {
    const auto byte = static_cast<uint8_t>(character);
    uint32_t next = edges_.find(node, byte).first;
    if (next == PairTable::kNone) {
      next = static_cast<uint32_t>(values_.size());
      values_.push_back(PairTable::kNone);
      edges_.add(node, byte, {next, 0});
    }
    node = next;
  }
  if (values_[node] == PairTable::kNone) values_[node] = value;
}

std::optional<PrefixTrie::Match> PrefixTrie::longest(std::string_view text) const {
  if (!may_begin(text)) return std::nullopt;
  std::optional<Match> found;
  for_each_prefix(text, [&](const Match& match) { found = match; });
  return found;
}

size_t PrefixTrie::next_candidate(std::string_view text, size_t position) const {
  while (position < text.size()) {
    if (first_count_ == 1) {
      const void* hit = std::memchr(text.data() + position, only_first_, text.size() - position);
      if (hit == nullptr) return text.size();
      position = static_cast<size_t>(static_cast<const char*>(hit) - text.data());
    }
    if (first_[static_cast<uint8_t>(text[position])] && may_begin(text.substr(position))) return position;
    ++position;
  }
  return text.size();
}

}  // namespace kedge::text
