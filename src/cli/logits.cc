// kedge logits: logits (and hidden states) of whole prompts, as safetensors.

#include <fmt/format.h>

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/model_argument.h"
#include "cli/standard_io.h"
#include "formats/safetensors.h"

namespace kedge::cli {
namespace {

struct LogitsOptions {
  ModelOptions model;
  std::string prompts;
  std::string out;
  uint32_t chunk = 0;
  bool hidden = false;
};

Result<std::vector<std::vector<int32_t>>> read_prompts(const std::string& path) {
  KEDGE_ASSIGN(const Json json, read_json_file(path));
  if (!json.is_array()) return Error{ErrorKind::invalid_input, fmt::format("{}: expected a list of id lists", path)};
  std::vector<std::vector<int32_t>> prompts;
  for (const Json& prompt : json) {
    KEDGE_ASSIGN(std::vector<int32_t> ids, token_ids(prompt, fmt::format("{}: prompt {}", path, prompts.size())));
    prompts.push_back(std::move(ids));
  }
  return prompts;
}

Status logits(const LogitsOptions& options) {
  KEDGE_ASSIGN(const auto prompts, read_prompts(options.prompts));
  KEDGE_ASSIGN(const std::filesystem::path path, resolve_model(options.model.model));
  EngineOptions engine_options = options.model.engine_options();
  engine_options.without_tokenizer = true;
  KEDGE_ASSIGN(const auto engine, Engine::open(path, engine_options));
  KEDGE_ASSIGN(const AdapterPtr adapter, options.model.load_adapter(*engine));
  std::deque<ForwardOutput> outputs;  // keeps the bytes that the tensors view
  std::vector<TensorView> tensors;
  const auto add = [&](std::string name, int64_t rows, int64_t columns, const std::vector<float>& values) {
    tensors.push_back({std::move(name), DType::f32, {rows, columns}, std::as_bytes(std::span(values))});
  };
  for (size_t i = 0; i < prompts.size(); ++i) {
    KEDGE_ASSIGN(ForwardOutput output, engine->forward(prompts[i], options.chunk, options.hidden, adapter));
    const ForwardOutput& kept = outputs.emplace_back(std::move(output));
    add(fmt::format("prompt{}.logits", i), kept.token_count, kept.vocabulary_size, kept.logits);
    for (size_t layer = 0; layer < kept.hidden.size(); ++layer) {
      add(fmt::format("prompt{}.hidden{}", i, layer), kept.token_count, kept.hidden_size, kept.hidden[layer]);
    }
  }
  return formats::write_safetensors(options.out, tensors);
}

}  // namespace

void register_logits(Commands& commands) {
  auto options = std::make_shared<LogitsOptions>();
  CLI::App* command = commands.add("logits", "logits at every position of prompts given as token ids",
                                   [options] { return logits(*options); });
  options->model.add_to(*command);
  options->model.add_adapter_to(*command);
  command->add_option("--prompts", options->prompts, "JSON file: a list of id lists")->required();
  command->add_option("--out", options->out, "safetensors file to write")->required();
  command->add_option("--chunk", options->chunk, "feed prompts in chunks of so many tokens; 0: as large as fits");
  command->add_flag("--hidden", options->hidden, "also write the hidden states of every layer");
}

}  // namespace kedge::cli
