#pragma once
// The operator that takes the text out of pages.

#include <memory>
#include <string>
#include <string_view>

#include "curate/operator.h"

namespace kedge::curate {

/// `{"id","url","text"}`. `mode`: precision, recall or justext (with the stop words of `language`). Fails with
/// invalid_input or unsupported.
Result<std::unique_ptr<Operator>> make_extractor(std::string_view mode, std::string_view language);

}  // namespace kedge::curate
