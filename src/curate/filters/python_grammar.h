#pragma once
// What Python's grammar forbids and tokens side by side show: enough to tell sources of Python 3 from older ones, from
// other languages and from prose.

#include <cstdint>
#include <span>

#include "curate/code_text.h"

namespace kedge::curate {

struct PythonToken {
  enum class Kind : uint8_t { name, string, other, comment, newline, indent, dedent };

  Kind kind;  // `name` has keywords and numbers too, `other` is one character
  CodeView text;
};

/// False when ast.parse of Python 3.11 refuses the tokens (comments left out) for one of these: a value follows a value
/// ("print x"), a statement begins with what joins two values ("<p>"), a block is not indented or an indented one has
/// no header, a line breaks off ("x ="), a number is written as in Python 2 ("0777", "10L"). Most but not all of what
/// it refuses has one of them.
bool obeys_python_grammar(std::span<const PythonToken> tokens);

}  // namespace kedge::curate
