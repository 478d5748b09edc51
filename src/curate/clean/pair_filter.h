#pragma once
// Says quickly of most texts that none of some patterns is in them: by two characters that stand side by side in
// whatever a pattern matches.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

/// Immutable; safe from any thread.
class PairFilter {
 public:
  /// Patterns (at most 64) of characters, classes in brackets, \s, \w, '.', and '?' behind any of these; '^' in front.
  /// A pattern of anything else is our own mistake and ends the program.
  explicit PairFilter(std::span<const std::string> patterns);

  /// False: none of the patterns matches anywhere.
  [[nodiscard]] bool may_match(CodeView text) const;

 private:
  /// A bit for each pattern.
  struct Roles {
    uint64_t first = 0, second = 0;  // of its pair
    uint64_t alone = 0;              // it matches single characters
    auto operator<=>(const Roles&) const = default;
  };
  static constexpr char32_t kKnown = 0x10000;  // characters from here on are alike
  std::vector<uint8_t> kinds_;                 // of characters below
  std::vector<Roles> roles_;                   // of kinds
  Roles others_;
};

}  // namespace kedge::curate
