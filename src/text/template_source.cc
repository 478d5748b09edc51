#include "text/template_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/file.h"
#include "core/json.h"
#include "formats/gguf.h"
#include "text/chat_template.h"

namespace kedge::text {
namespace {

namespace fs = std::filesystem;

bool file_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Result<std::string> read_template_file(const fs::path& path) {
  return read_file(path, TemplateLimits{}.source_bytes_max);
}

/// A token is spelled as a string, or as an object with its content.
std::string token_text(const Json& config, const char* key) {
  const auto it = config.find(key);
  if (it == config.end()) return "";
  if (it->is_string()) return it->get<std::string>();
  if (it->is_object() && it->contains("content") && (*it)["content"].is_string())
    return (*it)["content"].get<std::string>();
  return "";
}

/// `chat_template`: one string, or a list of {name, template}.
Status take_template(const Json& value, const std::string& origin, ChatTemplateSource& result) {
  if (value.is_string()) {
    result.source = value.get<std::string>();
    return Done{};
  }
  if (value.is_array()) {
    for (const Json& entry : value) {
      const bool usable = entry.is_object() && entry.contains("name") && entry["name"].is_string() &&
                          entry.contains("template") && entry["template"].is_string();
      if (!usable) break;
      const auto name = entry["name"].get<std::string>();
      if (name == "default" || result.source.empty()) result.source = entry["template"].get<std::string>();
      if (name == "tool_use") result.tool_source = entry["template"].get<std::string>();
    }
    if (!result.source.empty()) return Done{};
  }
  return Error{ErrorKind::corrupt_data,
               fmt::format("{}: 'chat_template' must be a string or a list of {{name, template}}", origin)};
}

Status read_folder(const fs::path& folder, ChatTemplateSource& result) {
  const fs::path config_path = folder / "tokenizer_config.json";
  Json config = Json::object();
  if (file_exists(config_path)) {
    KEDGE_ASSIGN(config, read_json_file(config_path));
    if (!config.is_object()) {
      return Error{ErrorKind::corrupt_data, fmt::format("{}: expected a JSON object", config_path.string())};
    }
    result.bos_token = token_text(config, "bos_token");
    result.eos_token = token_text(config, "eos_token");
  }
  if (file_exists(folder / "chat_template.jinja")) {
    result.origin = (folder / "chat_template.jinja").string();
    KEDGE_ASSIGN(result.source, read_template_file(result.origin));
    return Done{};
  }
  if (file_exists(folder / "chat_template.json")) {
    result.origin = (folder / "chat_template.json").string();
    KEDGE_ASSIGN(const Json json, read_json_file(result.origin));
    return take_template(json.is_object() && json.contains("chat_template") ? json["chat_template"] : Json(),
                         result.origin, result);
  }
  result.origin = config_path.string();
  if (!config.contains("chat_template") || config["chat_template"].is_null()) return Done{};
  return take_template(config["chat_template"], result.origin, result);
}

Status read_gguf(const fs::path& path, ChatTemplateSource& result) {
  KEDGE_ASSIGN(const auto file, formats::GgufFile::open(path));
  const std::vector<std::string>* tokens = file->strings("tokenizer.ggml.tokens");
  const auto spelled = [&](const char* key) -> std::string {
    const auto id = file->integer(key);
    const bool known = id && tokens != nullptr && *id >= 0 && std::cmp_less(*id, tokens->size());
    return known ? (*tokens)[static_cast<size_t>(*id)] : "";
  };
  result.bos_token = spelled("tokenizer.ggml.bos_token_id");
  result.eos_token = spelled("tokenizer.ggml.eos_token_id");
  result.origin = path.string();
  if (const std::string* source = file->string("tokenizer.chat_template")) result.source = *source;
  return Done{};
}

}  // namespace

Result<std::optional<ChatTemplateSource>> load_chat_template(const fs::path& model, const fs::path& override_file) {
  ChatTemplateSource result;
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) {
    KEDGE_TRY(read_folder(model, result));
  } else if (model.extension() == ".gguf") {
    KEDGE_TRY(read_gguf(model, result));
  }
  if (!override_file.empty()) {
    KEDGE_ASSIGN(result.source, read_template_file(override_file));
    result.tool_source.clear();
    result.origin = override_file.string();
  }
  if (result.source.empty()) return std::optional<ChatTemplateSource>();
  return std::optional<ChatTemplateSource>(std::move(result));
}

}  // namespace kedge::text
