#pragma once
// Models of runs of words as KenLM's build_binary writes them (format version 5): hash tables that are probed, and
// tries, with or without quantization and compressed pointers. Read in place.

#include <memory>
#include <string>
#include <string_view>

#include "curate/perplexity/ngram_model.h"

namespace kedge::curate {

/// By its first bytes.
bool is_kenlm_binary(std::string_view bytes);

/// REQUIRES: is_kenlm_binary; `bytes` outlive the model. Every size is compared with what there is, every place that
/// the file names is checked when it is looked up. Fails with corrupt_data or unsupported.
Result<std::unique_ptr<NgramModel>> parse_kenlm_binary(std::string_view bytes, const std::string& name);

}  // namespace kedge::curate
