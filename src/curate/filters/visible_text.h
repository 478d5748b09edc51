#pragma once
// How much of a text would be seen if it were HTML, as Python's html.parser reads it.

#include "curate/code_text.h"

namespace kedge::curate {

/// Characters outside of tags, comments, scripts and style sheets; character references count as what they stand for.
size_t count_visible(CodeView source);

}  // namespace kedge::curate
