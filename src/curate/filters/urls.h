#pragma once
// Web addresses in running text, as NeMo Curator's pattern finds them.

#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

/// `https?://` and what may follow: letters, digits, some punctuation, percent escapes; at least one character.
std::vector<CodeView> find_urls(CodeView text);

}  // namespace kedge::curate
