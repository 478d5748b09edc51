#pragma once
// Free text up to the first of some strings (Aho and Corasick 1975), over any bytes.

#include <string>
#include <vector>

#include "grammar/automaton.h"

namespace kedge::grammar {

/// Texts that end with texts[index] and hold none of the strings before that end.
Dfa text_until(const std::vector<std::string>& strings, size_t index);

/// Texts that hold none of the strings.
Dfa text_without(const std::vector<std::string>& strings);

}  // namespace kedge::grammar
