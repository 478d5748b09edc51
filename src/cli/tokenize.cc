// kedge tokenize, kedge detokenize: text to token ids and back.

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/model_argument.h"
#include "cli/standard_io.h"
#include "kedge/tokenizer.h"

namespace kedge::cli {
namespace {

struct TokenizeOptions {
  std::string model;
  bool json = false;
  bool add_special = false;
  bool no_parse_special = false;
};

Status tokenize(const TokenizeOptions& options) {
  KEDGE_ASSIGN(const std::filesystem::path path, resolve_model(options.model));
  KEDGE_ASSIGN(const auto tokenizer, Tokenizer::open(path));
  KEDGE_ASSIGN(const std::string text, read_standard_input());
  KEDGE_ASSIGN(const std::vector<TokenId> ids, tokenizer->encode(text, {.add_special = options.add_special,
                                                                        .parse_special = !options.no_parse_special}));
  if (!options.json) {
    std::string lines;
    for (const TokenId id : ids) lines += fmt::format("{}\t{}\n", id, tokenizer->token_text(id));
    return write_output(lines);
  }
  Json tokens = Json::array();
  for (const TokenId id : ids) tokens.push_back(std::string(tokenizer->token_text(id)));
  return write_json({{"ids", ids}, {"tokens", tokens}});
}

struct DetokenizeOptions {
  std::string model;
  std::string ids;
  bool json = false;
  bool skip_special = false;
};

Status detokenize(const DetokenizeOptions& options) {
  KEDGE_ASSIGN(const std::vector<TokenId> ids, parse_id_list(options.ids));
  KEDGE_ASSIGN(const std::filesystem::path path, resolve_model(options.model));
  KEDGE_ASSIGN(const auto tokenizer, Tokenizer::open(path));
  const std::string text = tokenizer->decode(ids, options.skip_special);
  if (!options.json) return write_output(text + "\n");
  Json pieces = Json::array();
  const auto stream = tokenizer->stream(options.skip_special);
  for (const TokenId id : ids) pieces.push_back(stream->push(id));
  return write_json({{"text", text}, {"stream", pieces}, {"flush", stream->flush()}});
}

}  // namespace

void register_tokenize(Commands& commands) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      commands.add("tokenize", "token ids of the text on standard input", [options] { return tokenize(*options); });
  command->add_option("MODEL", options->model, "model, tokenizer file, or folder with tokenizer files")->required();
  command->add_flag("--json", options->json, "one JSON document: {\"ids\", \"tokens\"}");
  command->add_flag("--add-special", options->add_special, "add the tokenizer's own BOS and EOS");
  command->add_flag("--no-parse-special", options->no_parse_special, "read special strings as plain text");
}

void register_detokenize(Commands& commands) {
  auto options = std::make_shared<DetokenizeOptions>();
  CLI::App* command = commands.add("detokenize", "the text of token ids", [options] { return detokenize(*options); });
  command->add_option("MODEL", options->model, "model, tokenizer file, or folder with tokenizer files")->required();
  command->add_option("--ids", options->ids, "token ids, comma separated; \"\" is an empty list")
      ->required()
      ->expected(0, 1);
  command->add_flag("--json", options->json, "one JSON document: {\"text\", \"stream\", \"flush\"}");
  command->add_flag("--skip-special", options->skip_special, "leave special tokens out");
}

}  // namespace kedge::cli
