#include "net/hub_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/printable.h"

namespace kedge::net {
namespace {

constexpr size_t kNameBytesMax = 96;  // the hub's own limit
constexpr size_t kPathBytesMax = 1024;
constexpr size_t kEtagBytesMax = 128;
constexpr std::string_view kHexDigits = "0123456789abcdef";

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/// The hub's rule for an organisation's or model's name. "--" separates them in the cache's folder names.
bool is_name(std::string_view text) {
  const auto is_edge = [](char c) { return c == '-' || c == '.'; };
  return !text.empty() && text.size() <= kNameBytesMax && std::ranges::all_of(text, is_word_character) &&
         !is_edge(text.front()) && !is_edge(text.back()) && text.find("--") == std::string_view::npos &&
         text.find("..") == std::string_view::npos;
}

}  // namespace

Result<HubRepository> parse_hub_repository(std::string_view text) {
  const size_t at = text.find('@');
  const std::string_view name = text.substr(0, at);
  const size_t slash = name.find('/');
  const bool good = slash == std::string_view::npos ? is_name(name)
                                                    : is_name(name.substr(0, slash)) && is_name(name.substr(slash + 1));
  if (!good) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{} is not the name of a model, expected ORG/NAME or ORG/NAME@REVISION", printable(text))};
  }
  HubRepository repository{.name = std::string(name)};
  if (at != std::string_view::npos) {
    repository.revision = text.substr(at + 1);
    if (!is_safe_path(repository.revision)) {
      return Error{ErrorKind::invalid_input, fmt::format("{} is not a revision, expected a branch, a tag or a commit",
                                                         printable(repository.revision))};
    }
  }
  return repository;
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > kPathBytesMax) return false;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || c == '\\') return false;
  }
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return true;
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of(kHexDigits) == std::string_view::npos;
}

std::optional<std::string> parse_etag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  if (header.size() >= 2 && header.front() == '"' && header.back() == '"') header = header.substr(1, header.size() - 2);
  if (header.empty() || header.size() > kEtagBytesMax || header.front() == '.' ||
      !std::ranges::all_of(header, is_word_character)) {
    return std::nullopt;
  }
  return std::string(header);
}

}  // namespace kedge::net
