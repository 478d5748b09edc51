#include "text/tokenizer/bert_vocabulary.h"

#include <fmt/format.h>

#include "text/tokenizer/special_tokens.h"
#include "text/tokenizer/wordpiece_model.h"

namespace kedge::text {
namespace {

constexpr std::string_view kSpecialNames[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

Result<TokenizerParts> load_parts(std::string_view text, const TokenizerConfig& config) {
  auto vocabulary = std::make_shared<Vocabulary>(Vocabulary::Spelling::plain);
  int64_t id = 0;
  bool any_lower = false;
  bool any_upper = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string_view token = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    KEDGE_TRY(vocabulary->add(id++, token));
    if (token.starts_with('[')) continue;
    for (const char character : token) {
      any_lower |= character >= 'a' && character <= 'z';
      any_upper |= character >= 'A' && character <= 'Z';
    }
  }
  const auto unknown = vocabulary->find("[UNK]");
  if (!unknown.has_value()) return Error{ErrorKind::corrupt_data, "there is no token [UNK]"};
  // Without tokenizer_config.json: a vocabulary with no capital letter was made for lower-cased text.
  const bool lower_case = config.lower_case.value_or(any_lower && !any_upper);
  const BertTokens tokens{*unknown, vocabulary->find("[CLS]"), vocabulary->find("[SEP]")};
  TokenizerParts parts = make_bert_parts(vocabulary, tokens, lower_case);
  for (const AddedToken& token : config.added) KEDGE_TRY(parts.added.add(token));
  for (const std::string_view name : kSpecialNames) {
    const auto special = vocabulary->find(name);
    if (!special.has_value()) continue;
    KEDGE_TRY(parts.added.add({.id = *special, .content = std::string(name), .special = true}));
  }
  return parts;
}

}  // namespace

TokenizerParts make_bert_parts(std::shared_ptr<const Vocabulary> vocabulary, const BertTokens& tokens,
                               bool lower_case) {
  TokenizerParts parts;
  parts.vocabulary = std::move(vocabulary);
  WordPieceOptions options;
  options.unknown = tokens.unknown;
  parts.model = std::make_unique<WordPieceModel>(parts.vocabulary, options);
  parts.normalizer.add(make_bert_normalizer({.strip_accents = lower_case, .lower_case = lower_case}));
  parts.pre_tokenizer.add(make_character_split(CharacterKind::white_space, SplitBehavior::removed));
  parts.pre_tokenizer.add(make_character_split(CharacterKind::punctuation, SplitBehavior::isolated));
  parts.decoder.steps.push_back({.kind = TokenStep::Kind::wordpiece, .from = "##", .clean_up = true});
  parts.bos = tokens.cls;
  parts.eos = tokens.sep;
  if (tokens.cls.has_value() && tokens.sep.has_value()) {
    using Item = SequenceTemplate::Item;
    parts.sequence_template = SequenceTemplate::around({*tokens.cls}, {*tokens.sep});
    parts.sequence_template.pair = parts.sequence_template.single;
    parts.sequence_template.pair.push_back({Item::Kind::second_text, 0});
    parts.sequence_template.pair.push_back({Item::Kind::token, *tokens.sep});
  }
  return parts;
}

Result<std::shared_ptr<const Tokenizer>> load_bert_vocabulary(std::string_view text, std::string_view name,
                                                              const TokenizerConfig& config) {
  auto parts = load_parts(text, config);
  if (!parts.ok()) return Error{parts.error().kind, fmt::format("{}: {}", name, parts.error().message)};
  return make_tokenizer(std::move(parts).value());
}

}  // namespace kedge::text
