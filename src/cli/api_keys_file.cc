#include "cli/api_keys_file.h"

#include <fmt/format.h>

#include "core/file.h"
#include "curate/pipeline/yaml.h"

namespace kedge::cli {
namespace {

constexpr size_t kFileBytesMax = size_t{16} << 20;

Result<Json> read_lines(std::string_view text, std::string_view what) {
  Json list = Json::array();
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    KEDGE_ASSIGN(Json entry, parse_json(line, fmt::format("{}: line {}", what, number)));
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

Result<std::vector<serve::ApiKey>> parse_api_keys(std::string_view text, std::string_view what) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool has_lines = first != std::string_view::npos && text[first] == '{';
  KEDGE_ASSIGN(Json list, has_lines ? read_lines(text, what) : curate::parse_yaml(text, what));
  if (list.is_null()) list = Json::array();  // nothing but comments
  return serve::read_api_keys(list, what);
}

Result<std::vector<serve::ApiKey>> read_api_keys_file(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const std::string text, read_file(path, kFileBytesMax));
  return parse_api_keys(text, path.string());
}

}  // namespace kedge::cli
