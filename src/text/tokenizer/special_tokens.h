#pragma once
// Which tokens begin and end a text, where a file does not say it outright.

#include "text/tokenizer/pipeline.h"
#include "text/tokenizer/tokenizer_config.h"

namespace kedge::text {

/// Sets `parts.bos` and `parts.eos` where they are still open: from tokenizer_config.json, from the special tokens at
/// the ends of the template (may be null), or by the names that well-known families use.
void find_bos_and_eos(const TokenizerConfig& config, const SequenceTemplate* sequence_template, TokenizerParts& parts);

}  // namespace kedge::text
