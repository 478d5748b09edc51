#pragma once
// The request fields of beam search, in vLLM's and Hugging Face's spellings.

#include "serve/generation_options.h"

namespace kedge::serve {

/// use_beam_search, best_of, length_penalty, early_stopping.
Fields<GenerationOptions> beam_fields();

/// Asks the engine for beams where the options do. Fails with 400 naming the field that does not go with them.
ApiStatus set_beams(const GenerationOptions& options, Request& request);

}  // namespace kedge::serve
