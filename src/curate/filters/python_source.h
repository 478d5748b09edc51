#pragma once
// How much of a Python source is said to people: comments and docstrings.

#include <cstddef>
#include <optional>

#include "curate/code_text.h"

namespace kedge::curate {

/// Characters of comments (the '#' included) and of docstrings, indentation taken off, a newline between two.
struct PythonProse {
  size_t comments = 0;
  size_t docstrings = 0;
};

/// Nothing when the source cannot be cut into tokens (a string or bracket that is never closed, a block that falls back
/// to no indentation before it, a character that Python has no use for) or python_grammar.h refuses the tokens.
std::optional<PythonProse> read_python(CodeView source);

}  // namespace kedge::curate
