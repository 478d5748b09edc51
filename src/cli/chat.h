#pragma once
// The chat on the terminal: line editing, history, commands, streaming answers.

#include <string>

#include "cli/generation_options.h"
#include "kedge/engine.h"

namespace kedge::cli {

/// Runs until /exit or the end of input. Ctrl-C stops the answer, not the program.
Status chat(Engine& engine, GenerationOptions options, std::string system);

}  // namespace kedge::cli
