#include "core/json.h"

#include <fmt/format.h>

#include <system_error>

#include "core/file.h"

namespace kedge {

Result<Json> parse_json(std::string_view text, std::string_view what) {
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos) {  // the library takes it for the end
    return Error{ErrorKind::corrupt_data, fmt::format("{}: not valid JSON: a zero byte at byte {}", what, zero)};
  }
  bool too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > static_cast<int>(kJsonDepthMax)) too_deep = true;
    return !too_deep;
  };
  try {
    Json json = Json::parse(text, watch_depth);
    if (too_deep) {
      return Error{ErrorKind::corrupt_data, fmt::format("{}: nested deeper than {} levels", what, kJsonDepthMax)};
    }
    return json;
  } catch (const Json::exception& exception) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: not valid JSON: {}", what, exception.what())};
  }
}

Result<Json> read_json_file(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const std::string text, read_file(path, kJsonFileBytesMax));
  return parse_json(text, path.string());
}

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace kedge
