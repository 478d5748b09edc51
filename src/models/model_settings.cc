#include "models/model_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "models/config_reader.h"

namespace kedge::models {
namespace {

constexpr int64_t kTokenIdMax = int64_t{1} << 30;

Result<std::optional<Json>> optional_json(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::optional<Json>();
  KEDGE_ASSIGN(Json json, read_json_file(path));
  return std::optional<Json>(std::move(json));
}

/// eos_token_id is one id or a list of them.
Status add_end_tokens(const Json& json, const std::string& name, std::vector<int32_t>& tokens) {
  const auto it = json.is_object() ? json.find("eos_token_id") : json.end();
  if (!json.is_object() || it == json.end() || it->is_null()) return Done{};
  const Json list = it->is_array() ? *it : Json::array({*it});
  for (const Json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > kTokenIdMax) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("{}: 'eos_token_id' holds {}, expected token ids", name, to_text(id))};
    }
    const auto token = id.get<int32_t>();
    if (std::ranges::find(tokens, token) == tokens.end()) tokens.push_back(token);
  }
  return Done{};
}

Status read_generation_config(const std::filesystem::path& folder, ModelSettings& settings) {
  const std::filesystem::path path = folder / "generation_config.json";
  KEDGE_ASSIGN(const std::optional<Json> json, optional_json(path));
  if (!json) return Done{};
  KEDGE_TRY(add_end_tokens(*json, path.string(), settings.end_tokens));
  ConfigReader reader(*json, path.string());
  if (reader.has("temperature")) settings.temperature = static_cast<float>(reader.number("temperature"));
  if (reader.has("top_p")) settings.top_p = static_cast<float>(reader.number("top_p"));
  if (reader.has("top_k")) settings.top_k = static_cast<int32_t>(reader.integer("top_k", 0, kTokenIdMax));
  return reader.status();
}

/// The modules of sentence-transformers: pooling mode, and whether a Normalize module follows.
Status read_sentence_modules(const std::filesystem::path& folder, ModelSettings& settings) {
  KEDGE_ASSIGN(const std::optional<Json> pooling, optional_json(folder / "1_Pooling" / "config.json"));
  if (pooling) {
    ConfigReader reader(*pooling, (folder / "1_Pooling" / "config.json").string());
    settings.pooling_cls = reader.boolean_or("pooling_mode_cls_token", false);
    settings.pooling_last = reader.boolean_or("pooling_mode_lasttoken", false);
    KEDGE_TRY(reader.status());
  }
  KEDGE_ASSIGN(const std::optional<Json> modules, optional_json(folder / "modules.json"));
  if (modules && modules->is_array()) {
    settings.normalize = std::ranges::any_of(*modules, [](const Json& module) {
      return module.is_object() && module.contains("type") && module["type"].is_string() &&
             module["type"].get<std::string>().ends_with("Normalize");
    });
  }
  KEDGE_ASSIGN(const std::optional<Json> sentence, optional_json(folder / "sentence_bert_config.json"));
  if (sentence) {
    ConfigReader reader(*sentence, (folder / "sentence_bert_config.json").string());
    settings.sequence_tokens_max = reader.integer_or("max_seq_length", 0, 1, kDimensionMax);
    KEDGE_TRY(reader.status());
  }
  return Done{};
}

}  // namespace

Result<ModelSettings> read_model_settings(const std::filesystem::path& path, const WeightSource& source) {
  ModelSettings settings;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    KEDGE_TRY(read_generation_config(path, settings));
    KEDGE_TRY(read_sentence_modules(path, settings));
  }
  KEDGE_TRY(add_end_tokens(source.config(), source.config_name(), settings.end_tokens));
  return settings;
}

}  // namespace kedge::models
