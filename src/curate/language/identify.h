#pragma once
// The operator that says which language documents are in.

#include <memory>

#include "curate/language/language.h"
#include "curate/operator.h"

namespace kedge::curate {

/// `{"id","lang","score"}`.
std::unique_ptr<Operator> make_language_identifier(std::unique_ptr<LanguageModel> model);

}  // namespace kedge::curate
