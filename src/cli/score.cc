// kedge score: log-likelihoods of continuations.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/model_argument.h"
#include "cli/standard_io.h"

namespace kedge::cli {
namespace {

struct Pair {
  std::vector<TokenId> context, continuation;
};

Result<std::string> text_at(const Json& item, const char* key, size_t index) {
  if (item.contains(key) && item[key].is_string()) return item[key].get<std::string>();
  return Error{
      ErrorKind::invalid_input,
      fmt::format("standard input: item {} needs context_ids and continuation_ids, or context and continuation",
                  index)};
}

/// Texts as lm-eval splits them: spaces that end the context belong to the continuation, and the continuation's tokens
/// are what the whole text has beyond the context's.
Result<Pair> encode_pair(const Engine& engine, std::string context, std::string continuation) {
  const Tokenizer* tokenizer = engine.tokenizer();
  if (tokenizer == nullptr) {
    return Error{ErrorKind::unsupported, fmt::format("{}: the model has no tokenizer; give ids", engine.info().name)};
  }
  const size_t end = context.find_last_not_of(' ') + 1;
  continuation.insert(0, context.substr(end));
  context.resize(end);
  const std::optional<TokenId> first = tokenizer->bos() ? tokenizer->bos() : tokenizer->eos();
  KEDGE_ASSIGN(const std::vector<TokenId> before, tokenizer->encode(context, {}));
  KEDGE_ASSIGN(const std::vector<TokenId> whole, tokenizer->encode(context + continuation, {}));
  if (whole.size() <= before.size() && continuation.empty()) {
    return Error{ErrorKind::invalid_input, "standard input: a continuation is empty"};
  }
  const size_t split = std::min(before.size(), whole.size() - 1);
  Pair pair;
  if (first && (tokenizer->bos() || split == 0)) pair.context.push_back(*first);
  pair.context.insert(pair.context.end(), whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(split));
  pair.continuation.assign(whole.begin() + static_cast<std::ptrdiff_t>(split), whole.end());
  return pair;
}

Result<Pair> read_pair(const Engine& engine, const Json& item, size_t index) {
  if (!item.is_object()) {
    return Error{ErrorKind::invalid_input, fmt::format("standard input: item {} is no object", index)};
  }
  if (item.contains("context_ids") && item.contains("continuation_ids")) {
    Pair pair;
    KEDGE_ASSIGN(pair.context, token_ids(item["context_ids"], fmt::format("item {}: context_ids", index)));
    KEDGE_ASSIGN(pair.continuation,
                 token_ids(item["continuation_ids"], fmt::format("item {}: continuation_ids", index)));
    return pair;
  }
  KEDGE_ASSIGN(std::string context, text_at(item, "context", index));
  KEDGE_ASSIGN(std::string continuation, text_at(item, "continuation", index));
  return encode_pair(engine, std::move(context), std::move(continuation));
}

Status score(const ModelOptions& options, bool json) {
  KEDGE_ASSIGN(const auto engine, options.open());
  KEDGE_ASSIGN(const Json items, read_json_input());
  if (!items.is_array()) return Error{ErrorKind::invalid_input, "standard input: expected a list of items"};
  Json results = Json::array();
  for (size_t i = 0; i < items.size(); ++i) {
    KEDGE_ASSIGN(const Pair pair, read_pair(*engine, items[i], i));
    Result<ContinuationScore> scored = engine->score(pair.context, pair.continuation);
    if (!scored.ok()) return Error{scored.error().kind, fmt::format("item {}: {}", i, scored.error().message)};
    const ContinuationScore& value = scored.value();
    results.push_back(
        {{"logprob", value.logprob}, {"token_logprobs", value.token_logprobs}, {"is_greedy", value.is_greedy}});
  }
  if (json) return write_json(results);
  std::string lines;
  for (const Json& result : results) {
    lines +=
        fmt::format("{:.6f}\t{}\n", result["logprob"].get<double>(), result["is_greedy"].get<bool>() ? "greedy" : "");
  }
  return write_output(lines);
}

}  // namespace

void register_score(Commands& commands) {
  auto options = std::make_shared<ModelOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = commands.add("score", "log-likelihoods of the continuations on standard input (JSON list)",
                                   [options, json] { return score(*options, *json); });
  options->add_to(*command);
  command->add_flag("--json", *json, "one JSON document: [{\"logprob\", \"token_logprobs\", \"is_greedy\"}]");
}

}  // namespace kedge::cli
