#pragma once
// Repairs text that was decoded in the wrong encoding, as ftfy does.

#include "curate/code_text.h"

namespace kedge::curate {

/// Line by line: character references (until a line has a '<'), wrong decodings, also several one upon the other, and
/// control characters. Quotes, ligatures, widths, line breaks and the normal form stay as they are.
std::u32string repair_mojibake(CodeView text);

}  // namespace kedge::curate
