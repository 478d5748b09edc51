#pragma once
// A set of strings, each with a number, that finds those which a text begins with.

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/tokenizer/pair_table.h"

namespace kedge::text {

class PrefixTrie {
 public:
  struct Match {
    uint32_t value = 0;
    size_t size = 0;
  };

  /// The first value given to a string stays. REQUIRES: string is not empty, value is not PairTable::kNone.
  void add(std::string_view string, uint32_t value);

  [[nodiscard]] bool empty() const { return values_.size() == 1; }

  /// Whether some string may begin with the first bytes of `text`: a cheap test that is seldom wrong.
  [[nodiscard]] bool may_begin(std::string_view text) const {
    if (text.empty()) return false;
    const size_t second = text.size() > 1 ? static_cast<uint8_t>(text[1]) : 0;
    return first_two_.test(static_cast<size_t>(static_cast<uint8_t>(text[0])) << 8 | second);
  }

  /// The longest string that `text` begins with.
  [[nodiscard]] std::optional<Match> longest(std::string_view text) const;

  /// The least position >= `position` where may_begin; text.size() if there is none.
  [[nodiscard]] size_t next_candidate(std::string_view text, size_t position) const;

  /// Calls visit(Match) for every string that `text` begins with, shortest first.
  template <typename Visit>
  void for_each_prefix(std::string_view text, Visit&& visit) const {
    uint32_t node = 0;
    for (size_t size = 0; size < text.size();) {
      node = edges_.find(node, static_cast<uint8_t>(text[size])).first;
      if (node == PairTable::kNone) return;
      ++size;
      if (values_[node] != PairTable::kNone) visit(Match{values_[node], size});
    }
  }

 private:
  PairTable edges_;                                    // (node, byte) -> node
  std::vector<uint32_t> values_ = {PairTable::kNone};  // of each node
  std::bitset<65536> first_two_;
  std::array<bool, 256> first_{};
  size_t first_count_ = 0;
  char only_first_ = 0;
};

}  // namespace kedge::text
