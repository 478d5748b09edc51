#pragma once
// The operator that repairs texts.

#include <memory>
#include <string_view>

#include "curate/operator.h"

namespace kedge::curate {

/// `{"id","text","changed":bool}`. `ops`: names separated by commas; "mojibake" is the one there is. Fails with
/// invalid_input.
Result<std::unique_ptr<Operator>> make_cleaner(std::string_view ops);

}  // namespace kedge::curate
