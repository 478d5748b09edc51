#pragma once
// Regular expressions of tokenizer files: Oniguruma's dialect, as far as it is certain that PCRE2 reads it the same
// way.

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "kedge/result.h"

namespace kedge::text {

struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

/// A compiled pattern. Immutable; safe from any thread. Matching is bounded in steps, not in time by construction:
/// well-known patterns have a WordScanner instead.
class RegexPattern {
 public:
  static constexpr size_t kPatternBytesMax = 8192;

  /// Fails with unsupported, naming the construct, or corrupt_data (not a regular expression).
  static Result<std::shared_ptr<const RegexPattern>> compile(std::string_view pattern);

  virtual ~RegexPattern() = default;

  /// Matches of one text, from left to right. One thread; lives no longer than the pattern and the text.
  class Finder {
   public:
    virtual ~Finder() = default;

    /// The next match, which may be empty; nothing at the end. Fails with unsupported past the limit of steps.
    virtual Result<std::optional<TextRange>> next() = 0;
  };

  [[nodiscard]] virtual std::unique_ptr<Finder> find_in(std::string_view text) const = 0;
};

}  // namespace kedge::text
