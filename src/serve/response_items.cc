// Items of the Responses API as messages of a conversation.
#include <fmt/format.h>

#include <map>

#include "serve/response_request.h"

namespace kedge::serve {

namespace {

/// A string, or parts that are all text; parts are paragraphs.
ApiResult<std::string> read_content(const Json& value, const std::string& path) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) {
    return wrong_field(path,
                       fmt::format("'{}' must be a string or an array of parts; found {}", path, describe(value)));
  }
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string part_path = item_path(path, i);
    const Json& part = value[i];
    if (!part.is_object()) {
      return wrong_field(part_path, fmt::format("'{}' must be an object; found {}", part_path, describe(part)));
    }
    KEDGE_ASSIGN(const std::string type, member_string(part, "type", part_path));
    const char* name = type == "refusal" ? "refusal" : "text";
    if (type != "input_text" && type != "output_text" && type != "text" && type != "refusal") {
      return wrong_field(member_path(part_path, "type"),
                         fmt::format("'{}' is of type \"{}\"; this model reads only text", part_path, type));
    }
    KEDGE_ASSIGN(const std::string piece, member_string(part, name, part_path));
    if (!text.empty()) text += "\n";
    text += piece;
  }
  return text;
}

class ItemReader {
 public:
  explicit ItemReader(Json& messages) : messages_(messages) {}

  ApiStatus read(const Json& item, const std::string& path) {
    if (!item.is_object()) {
      return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(item)));
    }
    std::string type = "message";
    if (item.contains("type")) {
      KEDGE_ASSIGN(type, read_string(item["type"], member_path(path, "type")));
    }
    if (type == "message") return read_message(item, path);
    if (type == "function_call") return read_call(item, path);
    if (type == "function_call_output") return read_output(item, path);
    if (type == "reasoning") return Done{};  // what a model thought is not told it again
    return wrong_field(member_path(path, "type"),
                       fmt::format("'{}' is of type \"{}\"; read here: message, function_call, function_call_output, "
                                   "reasoning",
                                   path, type));
  }

 private:
  ApiStatus read_message(const Json& item, const std::string& path) {
    const std::string role_path = member_path(path, "role"), content_path = member_path(path, "content");
    if (!item.contains("role")) return missing_field(role_path);
    KEDGE_ASSIGN(std::string role, read_choice(item["role"], role_path, {"user", "assistant", "system", "developer"}));
    if (!item.contains("content")) return missing_field(content_path);
    KEDGE_ASSIGN(std::string text, read_content(item["content"], content_path));
    messages_.push_back({{"role", std::move(role)}, {"content", std::move(text)}});
    return Done{};
  }

  /// Calls belong to the assistant's message before them.
  ApiStatus read_call(const Json& item, const std::string& path) {
    KEDGE_ASSIGN(const std::string id, member_string(item, "call_id", path));
    KEDGE_ASSIGN(const std::string name, member_string(item, "name", path));
    KEDGE_ASSIGN(const std::string arguments, member_string(item, "arguments", path));
    names_[id] = name;
    // Templates want the object; what is none stays as it is.
    Result<Json> decoded = parse_json(arguments, "arguments");
    const bool is_object = decoded.ok() && decoded.value().is_object();
    Json call = {{"id", id},
                 {"type", "function"},
                 {"function", {{"name", name}, {"arguments", is_object ? decoded.value() : Json(arguments)}}}};
    if (messages_.empty() || messages_.back()["role"] != "assistant") {
      messages_.push_back({{"role", "assistant"}, {"content", ""}});
    }
    Json& calls = messages_.back()["tool_calls"];
    if (calls.is_null()) calls = Json::array();
    calls.push_back(std::move(call));
    return Done{};
  }

  ApiStatus read_output(const Json& item, const std::string& path) {
    KEDGE_ASSIGN(const std::string id, member_string(item, "call_id", path));
    if (!item.contains("output")) return missing_field(member_path(path, "output"));
    KEDGE_ASSIGN(std::string text, read_content(item["output"], member_path(path, "output")));
    Json message = {{"role", "tool"}, {"tool_call_id", id}, {"content", std::move(text)}};
    if (const auto name = names_.find(id); name != names_.end()) message["name"] = name->second;
    messages_.push_back(std::move(message));
    return Done{};
  }

  Json& messages_;
  std::map<std::string, std::string> names_;  // of the calls so far, by id
};

}  // namespace

ApiStatus add_item_messages(const Json& items, const std::string& path, Json& messages) {
  ItemReader reader(messages);
  for (size_t i = 0; i < items.size(); ++i) KEDGE_TRY(reader.read(items[i], item_path(path, i)));
  return Done{};
}

}  // namespace kedge::serve
