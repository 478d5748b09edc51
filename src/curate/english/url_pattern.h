#pragma once
// What spaCy's tokenizer leaves whole because it looks like a web address or a host name.

#include "curate/code_text.h"

namespace kedge::curate {

/// Safe from any thread.
bool is_spacy_url(CodeView word);

}  // namespace kedge::curate
