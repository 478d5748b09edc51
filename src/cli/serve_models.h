#pragma once
// The options of `kedge serve` for models that are loaded on demand, and for further names of models.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/model_argument.h"
#include "serve/server.h"

namespace kedge::cli {

struct ModelFolderFlags {
  std::string folder;
  uint64_t bytes_max = 0;
  std::vector<std::string> aliases;  // NAME=MODEL, or NAME of the first model
};

void add_model_folder_options(CLI::App& command, ModelFolderFlags& flags);

/// `loading`: how models are opened; its draft model and chat template are those of the models that are named at the
/// start. `first`: the first of these; may be empty. Fails with invalid_input.
Status set_model_folder(const ModelFolderFlags& flags, const ModelOptions& loading, const std::string& first,
                        serve::ServerOptions& server);

}  // namespace kedge::cli
