#pragma once
// Words that nearly every English text has.

#include <array>

#include "curate/code_text.h"

namespace kedge::curate {

/// Gopher's eight (Rae et al. 2021, table A1), which NeMo Curator, DataTrove and Dolma look for.
inline constexpr std::array<CodeView, 8> kGopherStopWords = {U"the", U"be",   U"to",   U"of",
                                                             U"and", U"that", U"have", U"with"};

}  // namespace kedge::curate
