#include "serve/cache_control.h"

#include <fmt/format.h>

#include <algorithm>

namespace kedge::serve {

namespace {

constexpr uint32_t kShortSeconds = 300, kLongSeconds = 3600;
constexpr int kDepthMax = 3;  // a message, its block, a block of a tool's result

ApiStatus read_mark(const Json& holder, const std::string& holder_path, Request& request) {
  const auto mark = holder.find("cache_control");
  if (mark == holder.end() || mark->is_null()) return Done{};
  const std::string path = holder_path.empty() ? "cache_control" : member_path(holder_path, "cache_control");
  if (!mark->is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object; found {}", path, describe(*mark)));
  }
  KEDGE_ASSIGN(const std::string type, member_string(*mark, "type", path));
  KEDGE_TRY(read_choice(type, member_path(path, "type"), {"ephemeral"}));
  uint32_t seconds = kShortSeconds;
  if (const auto ttl = mark->find("ttl"); ttl != mark->end() && !ttl->is_null()) {
    KEDGE_ASSIGN(const std::string time, read_choice(*ttl, member_path(path, "ttl"), {"5m", "1h"}));
    if (time == "1h") seconds = kLongSeconds;
  }
  request.pin_seconds = std::max(request.pin_seconds, seconds);
  return Done{};
}

/// Marks of objects in a list, and of those in their 'content'.
ApiStatus read_list(const Json& body, const std::string& name, const std::string& path, Request& request, int depth) {
  const auto list = body.find(name);
  if (list == body.end() || !list->is_array()) return Done{};
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& item = (*list)[i];
    if (!item.is_object()) continue;
    const std::string at = item_path(path, i);
    KEDGE_TRY(read_mark(item, at, request));
    if (depth > 1) KEDGE_TRY(read_list(item, "content", member_path(at, "content"), request, depth - 1));
  }
  return Done{};
}

}  // namespace

ApiStatus read_cache_marks(const Json& body, Request& request) {
  KEDGE_TRY(read_mark(body, "", request));
  KEDGE_TRY(read_list(body, "system", "system", request, 1));
  KEDGE_TRY(read_list(body, "tools", "tools", request, 1));
  return read_list(body, "messages", "messages", request, kDepthMax);
}

Json cache_control_schema() {
  return {{"type", Json::array({"object", "null"})},
          {"properties", {{"type", {{"const", "ephemeral"}}}, {"ttl", {{"enum", Json::array({"5m", "1h", nullptr})}}}}},
          {"required", Json::array({"type"})},
          {"description", "The prompt stays in the prefix cache so long after its last use."}};
}

}  // namespace kedge::serve
