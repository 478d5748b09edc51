#include "text/tokenizer/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/file.h"
#include "text/tokenizer/json_view.h"
#include "text/tokenizer/limits.h"

namespace kedge::text {
namespace {

/// A token is written as a string or as an object with its content.
std::optional<std::string> read_token(const JsonView& token) {
  const std::string_view content = token.is_object() ? token.text("content") : token.string().value_or("");
  if (content.empty()) return std::nullopt;
  return std::string(content);
}

Status read_added_tokens_decoder(const JsonView& decoder, TokenizerConfig& config) {
  return decoder.for_each_member([&](std::string_view key, const JsonView& value) -> Status {
    AddedToken token;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    const bool valid = error == std::errc() && end == key.data() + key.size() && value.is_object();
    const auto content = valid ? read_token(value["content"]) : std::nullopt;
    if (!content.has_value()) {
      return Error{ErrorKind::corrupt_data, fmt::format("tokenizer_config.json: added_tokens_decoder has entry '{}', "
                                                        "expected an id and a token with its content",
                                                        key)};
    }
    token.content = *content;
    token.special = value.flag("special", false);
    token.left_strip = value.flag("lstrip", false);
    token.right_strip = value.flag("rstrip", false);
    token.single_word = value.flag("single_word", false);
    token.normalized = value.flag("normalized", false);
    config.added.push_back(std::move(token));
    return Done{};
  });
}

Status read_added_tokens_json(const JsonView& root, TokenizerConfig& config) {
  return root.for_each_member([&](std::string_view content, const JsonView& value) -> Status {
    const int64_t id = value.integer().value_or(-1);
    if (id < 0 || id >= static_cast<int64_t>(kTokenCountMax)) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("added_tokens.json: '{}' has no id between 0 and {}", content, kTokenCountMax - 1)};
    }
    const bool marked_up = content.starts_with('<') && content.ends_with('>');
    // An id that tokenizer_config.json has described keeps that description: the first entry of an id counts.
    config.added.push_back({.id = static_cast<TokenId>(id), .content = std::string(content), .special = marked_up});
    return Done{};
  });
}

void read_settings(const JsonView& root, TokenizerConfig& config) {
  config.bos_token = read_token(root["bos_token"]);
  config.eos_token = read_token(root["eos_token"]);
  config.add_bos_token = root["add_bos_token"].boolean();
  config.add_eos_token = root["add_eos_token"].boolean();
  config.lower_case = root["do_lower_case"].boolean();
  config.split_by_punct = root["split_by_punct"].boolean();
  config.legacy = root.flag("legacy", true);
}

/// Cuts numbers beyond 64 bits, which the parser refuses, to their first digit. (model_max_length is often 10^30; no
/// number that is read here has more than eight digits.)
void cut_huge_numbers(std::string& text) {
  constexpr size_t kDigitsMax = 18;
  const auto is_digit = [](char character) { return character >= '0' && character <= '9'; };
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && is_digit(text[i])) {
      size_t end = i + 1;
      while (end < text.size() && is_digit(text[end])) ++end;
      if (end - i > kDigitsMax)
        std::fill(text.begin() + static_cast<ptrdiff_t>(i) + 1, text.begin() + static_cast<ptrdiff_t>(end), ' ');
      i = end - 1;
    }
  }
}

/// The object in a file of the folder; nothing where there is no such file.
Result<std::unique_ptr<const JsonDocument>> read_object(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return JsonDocument::parse("{}", file.string());
  KEDGE_ASSIGN(std::string text, read_file(file, kTokenizerFileBytesMax));
  cut_huge_numbers(text);
  KEDGE_ASSIGN(auto document, JsonDocument::parse(text, file.string()));
  if (document->root().is_object()) return document;
  return Error{ErrorKind::corrupt_data, fmt::format("{}: expected a JSON object", file.string())};
}

}  // namespace

Result<TokenizerConfig> read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig config;
  KEDGE_ASSIGN(const auto settings, read_object(folder / "tokenizer_config.json"));
  read_settings(settings->root(), config);
  KEDGE_TRY(read_added_tokens_decoder(settings->root()["added_tokens_decoder"], config));
  KEDGE_ASSIGN(const auto map, read_object(folder / "special_tokens_map.json"));
  if (!config.bos_token.has_value()) config.bos_token = read_token(map->root()["bos_token"]);
  if (!config.eos_token.has_value()) config.eos_token = read_token(map->root()["eos_token"]);
  KEDGE_ASSIGN(const auto added, read_object(folder / "added_tokens.json"));
  KEDGE_TRY(read_added_tokens_json(added->root(), config));
  return config;
}

}  // namespace kedge::text
