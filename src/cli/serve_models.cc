#include "cli/serve_models.h"

#include <fmt/format.h>

namespace kedge::cli {
namespace {

Result<serve::ModelAlias> alias_of(const std::string& text, const std::string& first) {
  const size_t equals = text.find('=');
  serve::ModelAlias alias{text.substr(0, equals), equals == std::string::npos ? first : text.substr(equals + 1)};
  if (!alias.name.empty() && !alias.target.empty()) return alias;
  return Error{ErrorKind::invalid_input, fmt::format("--alias: found '{}', expected NAME=MODEL{}", text,
                                                     first.empty() ? "" : ", or NAME for the first model")};
}

}  // namespace

void add_model_folder_options(CLI::App& command, ModelFolderFlags& flags) {
  command.add_option("--models-dir", flags.folder,
                     "a folder of models (checkpoint folders, .gguf files), loaded when a request names them");
  command
      .add_option("--models-max-bytes", flags.bytes_max,
                  "memory of all loaded models (accepts 20GiB): those of --models-dir that were used longest ago make "
                  "room; 0: what the machine has")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("0");
  command.add_option("--alias", flags.aliases,
                     "a further name of a model or adapter, as NAME=MODEL; NAME alone is the first model's");
}

Status set_model_folder(const ModelFolderFlags& flags, const ModelOptions& loading, const std::string& first,
                        serve::ServerOptions& server) {
  for (const std::string& text : flags.aliases) {
    KEDGE_ASSIGN(serve::ModelAlias alias, alias_of(text, first));
    server.aliases.push_back(std::move(alias));
  }
  if (flags.folder.empty()) {
    if (flags.bytes_max == 0) return Done{};
    return Error{ErrorKind::invalid_input, "--models-max-bytes bounds the models of --models-dir, which is missing"};
  }
  server.models.folder = flags.folder;
  server.models.bytes_max = flags.bytes_max;
  server.models.open = [loading](const serve::ModelOpening& opening) -> Result<std::unique_ptr<Engine>> {
    EngineOptions options = loading.engine_options();
    options.chat_template_file.clear();
    options.plan_only = opening.plan_only;
    options.without_tokenizer = opening.plan_only;
    if (opening.kv_cache_bytes > 0) options.kv_cache_bytes = opening.kv_cache_bytes;
    return Engine::open(opening.path, options);
  };
  return Done{};
}

}  // namespace kedge::cli
