// kedge embed, kedge rerank: vectors of texts, scores of query and passage.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/model_argument.h"
#include "cli/standard_io.h"

namespace kedge::cli {
namespace {

struct EmbedCommand {
  ModelOptions model;
  std::string pooling;
  bool no_normalize = false;
  bool json = false;
};

Result<std::vector<TokenId>> sequence_of(const Engine& engine, const Json& input, const std::string& what) {
  if (input.is_string()) return engine.encode_for_embedding(input.get<std::string>());
  return token_ids(input, what);
}

Status embed(const EmbedCommand& command) {
  KEDGE_ASSIGN(const auto engine, command.model.open());
  KEDGE_ASSIGN(const std::string text, read_standard_input());
  EmbedOptions options;
  if (command.pooling == "mean") options.pooling = Pooling::mean;
  if (command.pooling == "cls") options.pooling = Pooling::cls;
  if (command.pooling == "last") options.pooling = Pooling::last;
  if (command.no_normalize) options.normalize = false;
  std::string_view rest = text;
  for (size_t line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view row = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string what = fmt::format("standard input, line {}", line);
    KEDGE_ASSIGN(const Json input, parse_json(row, what));
    KEDGE_ASSIGN(const std::vector<TokenId> ids, sequence_of(*engine, input, what));
    KEDGE_ASSIGN(const auto vectors, engine->embed({&ids, 1}, options));
    KEDGE_TRY(write_json({{"embedding", vectors[0]}}));
  }
  return Done{};
}

Result<std::vector<std::vector<TokenId>>> read_pairs(const Engine& engine, const Json& request) {
  std::vector<std::vector<TokenId>> sequences;
  if (request.is_object() && request.contains("pairs") && request["pairs"].is_array()) {
    for (const Json& pair : request["pairs"]) {
      KEDGE_ASSIGN(std::vector<TokenId> ids, token_ids(pair, fmt::format("pair {}", sequences.size())));
      sequences.push_back(std::move(ids));
    }
    return sequences;
  }
  const bool texts = request.is_object() && request.contains("query") && request["query"].is_string() &&
                     request.contains("passages") && request["passages"].is_array();
  if (!texts) {
    return Error{ErrorKind::invalid_input,
                 "standard input: expected {\"query\": text, \"passages\": [text]} or {\"pairs\": [[ids]]}"};
  }
  for (const Json& passage : request["passages"]) {
    if (!passage.is_string()) {
      return Error{ErrorKind::invalid_input, fmt::format("passage {} is no string", sequences.size())};
    }
    KEDGE_ASSIGN(std::vector<TokenId> ids,
                 engine.encode_for_rerank(request["query"].get<std::string>(), passage.get<std::string>()));
    sequences.push_back(std::move(ids));
  }
  return sequences;
}

Status rerank(const ModelOptions& options) {
  KEDGE_ASSIGN(const auto engine, options.open());
  KEDGE_ASSIGN(const Json request, read_json_input());
  KEDGE_ASSIGN(const auto sequences, read_pairs(*engine, request));
  KEDGE_ASSIGN(const std::vector<float> scores, engine->rerank(sequences));
  return write_json({{"scores", scores}});
}

}  // namespace

void register_embed(Commands& commands) {
  auto options = std::make_shared<EmbedCommand>();
  CLI::App* command =
      commands.add("embed", "embeddings of the JSON strings (or id lists) on standard input, one a line",
                   [options] { return embed(*options); });
  options->model.add_to(*command);
  command->add_option("--pooling", options->pooling, "how token states become one vector; left out: as the model says")
      ->check(CLI::IsMember({"mean", "cls", "last"}));
  command->add_flag("--no-normalize", options->no_normalize, "leave vectors at their own length");
  command->add_flag("--json", options->json, "one {\"embedding\"} a line (the only form)");
}

void register_rerank(Commands& commands) {
  auto options = std::make_shared<ModelOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = commands.add("rerank", "scores of passages for the query on standard input (JSON)",
                                   [options] { return rerank(*options); });
  options->add_to(*command);
  command->add_flag("--json", *json, "one JSON document: {\"scores\"} (the only form)");
}

}  // namespace kedge::cli
