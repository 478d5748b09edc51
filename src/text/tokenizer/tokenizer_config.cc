#include "text/tokenizer/tokenizer_config.h"

#include <fmt/format.h>

#include <charconv>

#include "core/json.h"
#include "text/tokenizer/limits.h"

namespace kedge::text {
namespace {

// These files may hold numbers beyond 64 bits (model_max_length), which only core/json.h reads.

std::optional<bool> read_flag(const Json& object, const char* key) {
  const auto member = object.find(key);
  if (member == object.end() || !member->is_boolean()) return std::nullopt;
  return member->get<bool>();
}

/// A token is written as a string or as an object with its content.
std::optional<std::string> read_token(const Json& object, const char* key) {
  const auto member = object.find(key);
  if (member == object.end()) return std::nullopt;
  const Json content = member->is_object() ? member->value("content", Json()) : *member;
  if (!content.is_string() || content.get_ref<const std::string&>().empty()) return std::nullopt;
  return content.get<std::string>();
}

Status read_added_tokens_decoder(const Json& decoder, TokenizerConfig& config) {
  for (const auto& [key, value] : decoder.items()) {
    AddedToken token;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    const bool valid = error == std::errc() && end == key.data() + key.size() && value.is_object();
    const auto content = valid ? read_token(value, "content") : std::nullopt;
    if (!content.has_value()) {
      return Error{ErrorKind::corrupt_data, fmt::format("tokenizer_config.json: added_tokens_decoder has entry '{}', "
                                                        "expected an id and a token with its content",
                                                        key)};
    }
    token.content = *content;
    token.special = read_flag(value, "special").value_or(false);
    token.left_strip = read_flag(value, "lstrip").value_or(false);
    token.right_strip = read_flag(value, "rstrip").value_or(false);
    token.single_word = read_flag(value, "single_word").value_or(false);
    token.normalized = read_flag(value, "normalized").value_or(false);
    config.added.push_back(std::move(token));
  }
  return Done{};
}

Status read_added_tokens_json(const Json& root, TokenizerConfig& config) {
  for (const auto& [content, id] : root.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kTokenCountMax) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("added_tokens.json: '{}' has no id between 0 and {}", content, kTokenCountMax - 1)};
    }
    const bool marked_up = content.starts_with('<') && content.ends_with('>');
    // An id that tokenizer_config.json has described keeps that description: the first entry of an id counts.
    config.added.push_back({.id = id.get<TokenId>(), .content = content, .special = marked_up});
  }
  return Done{};
}

void read_settings(const Json& root, TokenizerConfig& config) {
  config.bos_token = read_token(root, "bos_token");
  config.eos_token = read_token(root, "eos_token");
  config.add_bos_token = read_flag(root, "add_bos_token");
  config.add_eos_token = read_flag(root, "add_eos_token");
  config.lower_case = read_flag(root, "do_lower_case");
  config.legacy = read_flag(root, "legacy").value_or(true);
}

/// The object in a file of the folder; an empty one where there is no such file.
Result<Json> read_object(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return Json::object();
  KEDGE_ASSIGN(Json json, read_json_file(file));
  if (json.is_object()) return json;
  return Error{ErrorKind::corrupt_data, fmt::format("{}: expected a JSON object", file.string())};
}

}  // namespace

Result<TokenizerConfig> read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig config;
  KEDGE_ASSIGN(const Json settings, read_object(folder / "tokenizer_config.json"));
  read_settings(settings, config);
  const auto decoder = settings.find("added_tokens_decoder");
  if (decoder != settings.end() && decoder->is_object()) KEDGE_TRY(read_added_tokens_decoder(*decoder, config));
  KEDGE_ASSIGN(const Json map, read_object(folder / "special_tokens_map.json"));
  if (!config.bos_token.has_value()) config.bos_token = read_token(map, "bos_token");
  if (!config.eos_token.has_value()) config.eos_token = read_token(map, "eos_token");
  KEDGE_ASSIGN(const Json added, read_object(folder / "added_tokens.json"));
  KEDGE_TRY(read_added_tokens_json(added, config));
  return config;
}

}  // namespace kedge::text
