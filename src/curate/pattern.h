#pragma once
// Regular expressions with look-around (PCRE2), for definitions that are written in them. Their time is bounded.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::curate {

/// Immutable; safe from any thread. A pattern that does not compile is our own mistake and ends the program.
class Pattern {
 public:
  enum class Unit : uint8_t { characters, bytes };
  /// characters: UTF-8 with Unicode classes; bytes: any bytes.
  Pattern(std::string_view pattern, Unit unit);
  /// Of a user's; fails with invalid_input.
  static Result<Pattern> compile(std::string_view pattern, Unit unit);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) = delete;
  ~Pattern();

  struct Match {
    size_t begin, end;
  };
  struct Search {
    std::optional<Match> match;
    bool gave_up = false;  // it would have taken too many steps or too much memory: whether there is a match is open
  };
  /// The first match from `from` on.
  [[nodiscard]] Search find(std::string_view text, size_t from = 0) const;

 private:
  struct Code;
  explicit Pattern(std::unique_ptr<Code> code);
  std::unique_ptr<Code> code_;
};

}  // namespace kedge::curate
