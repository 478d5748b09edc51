#pragma once
// SentencePiece's precompiled character map: replacements for strings, in a double-array trie.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"

namespace kedge::text {

/// Immutable; safe from any thread.
class Charsmap {
 public:
  static constexpr size_t kBytesMax = size_t{16} << 20;

  struct Match {
    size_t size = 0;               // bytes of the text
    std::string_view replacement;  // valid as long as the map
  };

  /// Fails with corrupt_data: sizes that do not fit.
  static Result<std::shared_ptr<const Charsmap>> parse(std::string_view bytes);

  /// The longest (or shortest) entry that `text` begins with.
  [[nodiscard]] std::optional<Match> longest(std::string_view text) const { return find(text, true); }
  [[nodiscard]] std::optional<Match> shortest(std::string_view text) const { return find(text, false); }

 private:
  [[nodiscard]] std::optional<Match> find(std::string_view text, bool longest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;  // each ends in NUL; the trie holds offsets
};

}  // namespace kedge::text
