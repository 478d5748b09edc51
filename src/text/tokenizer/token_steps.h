#pragma once
// The steps of a decoder that see one token at a time.

#include <cstddef>
#include <string>

#include "text/tokenizer/decoder.h"

namespace kedge::text {

/// Applies `step` to the text of token number `index` of a sequence.
void apply_step(const TokenStep& step, size_t index, std::string& text);

/// Replaces every `from` in `text`. REQUIRES: `from` is not empty.
void replace_all(std::string& text, std::string_view from, std::string_view to);

}  // namespace kedge::text
