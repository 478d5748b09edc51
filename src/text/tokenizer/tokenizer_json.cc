#include "text/tokenizer/tokenizer_json.h"

#include <fmt/format.h>

#include "text/tokenizer/special_tokens.h"

namespace kedge::text {
namespace {

Status read_added_tokens(const JsonView& list, const Vocabulary& vocabulary, AddedTokens& added) {
  return list.for_each_element([&](const JsonView& entry) -> Status {
    const auto content = entry["content"].string();
    const auto id = entry["id"].integer();
    if (!content.has_value() || !id.has_value() || *id < 0 || *id >= static_cast<int64_t>(kTokenCountMax)) {
      return Error{ErrorKind::corrupt_data, "added_tokens: an entry lacks its id or content"};
    }
    AddedToken token;
    // The vocabulary's own id wins: that is the one the model was trained with.
    token.id = vocabulary.find(*content).value_or(static_cast<TokenId>(*id));
    token.content = *content;
    token.special = entry.flag("special", false);
    token.left_strip = entry.flag("lstrip", false);
    token.right_strip = entry.flag("rstrip", false);
    token.single_word = entry.flag("single_word", false);
    token.normalized = entry.flag("normalized", !token.special);
    return added.add(std::move(token));
  });
}

/// The template that add_bos_token and add_eos_token of tokenizer_config.json ask for.
SequenceTemplate template_of_config(const TokenizerConfig& config, const TokenizerParts& parts) {
  std::vector<TokenId> before;
  std::vector<TokenId> after;
  if (config.add_bos_token.value_or(false) && parts.bos.has_value()) before.push_back(*parts.bos);
  if (config.add_eos_token.value_or(false) && parts.eos.has_value()) after.push_back(*parts.eos);
  return SequenceTemplate::around(before, after);
}

Result<TokenizerParts> load_parts(const JsonView& root, const TokenizerConfig& config) {
  TokenizerParts parts;
  const bool byte_level = has_byte_level(root["pre_tokenizer"]);
  KEDGE_ASSIGN(JsonModel model, load_json_model(root["model"], byte_level));
  parts.vocabulary = std::move(model.vocabulary);
  parts.model = std::move(model.model);
  KEDGE_TRY(read_added_tokens(root["added_tokens"], *parts.vocabulary, parts.added));
  KEDGE_TRY(load_json_normalizer(root["normalizer"], parts.normalizer));
  KEDGE_ASSIGN(parts.pre_tokenizer, load_json_pre_tokenizer(root["pre_tokenizer"]));
  KEDGE_ASSIGN(parts.decoder, load_json_decoder(root["decoder"], byte_level));
  KEDGE_ASSIGN(auto sequence_template, load_json_post_processor(root["post_processor"]));
  find_bos_and_eos(config, sequence_template.has_value() ? &*sequence_template : nullptr, parts);
  parts.sequence_template =
      sequence_template.has_value() ? std::move(*sequence_template) : template_of_config(config, parts);
  return parts;
}

}  // namespace

Error unsupported_part(std::string_view part, std::string_view type) {
  return Error{ErrorKind::unsupported, fmt::format("{} of type '{}' is not implemented", part, type)};
}

Result<JsonPattern> load_json_pattern(const JsonView& pattern, std::string_view part) {
  if (const auto text = pattern["String"].string()) return JsonPattern{*text, false};
  if (const auto text = pattern["Regex"].string()) return JsonPattern{*text, true};
  return Error{ErrorKind::corrupt_data, fmt::format("{}: pattern is neither a String nor a Regex", part)};
}

Result<std::shared_ptr<const Tokenizer>> load_tokenizer_json(std::string_view text, std::string_view name,
                                                             const TokenizerConfig& config, size_t readable_after) {
  KEDGE_ASSIGN(const auto document, JsonDocument::parse(text, name, readable_after));
  const auto load = [&]() -> Result<std::shared_ptr<const Tokenizer>> {
    if (!document->root()["model"].is_object()) return Error{ErrorKind::corrupt_data, "there is no 'model'"};
    KEDGE_ASSIGN(TokenizerParts parts, load_parts(document->root(), config));
    return make_tokenizer(std::move(parts));
  };
  auto tokenizer = load();
  if (tokenizer.ok()) return tokenizer;
  return Error{tokenizer.error().kind, fmt::format("{}: {}", name, tokenizer.error().message)};
}

}  // namespace kedge::text
