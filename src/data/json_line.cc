#include "data/json_line.h"

#include <algorithm>
#include <optional>

#include "data/json_text.h"

namespace kedge::data {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

size_t after_space(std::string_view line, size_t at) {
  return std::min(line.find_first_not_of(kSpace, at), line.size());
}

/// Behind the string that begins at `at`.
size_t after_string(std::string_view line, size_t at) {
  for (++at; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] == '\\') ++at;
  }
  return std::min(at + 1, line.size());
}

/// Behind the value that begins at `at`.
size_t after_value(std::string_view line, size_t at) {
  size_t depth = 0;
  while (at < line.size()) {
    const char c = line[at];
    if (c == '"') {
      at = after_string(line, at);
      if (depth == 0) return at;
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}' || c == ']' || kSpace.find(c) != std::string_view::npos)) return at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at + 1;
    ++at;
  }
  return at;
}

struct Extent {
  size_t name = 0;  // of the member's opening quotation mark
  size_t begin = 0, end = 0;
};

/// Where the last member of this name, as JSON writes it with its quotation marks, and its value stand.
std::optional<Extent> find_member(std::string_view line, std::string_view quoted) {
  std::optional<Extent> found;
  size_t at = after_space(line, 0) + 1;  // behind the brace
  for (;;) {
    at = after_space(line, at);
    if (at >= line.size() || line[at] != '"') return found;
    const size_t name = at;
    at = after_string(line, at);
    const bool same = line.substr(name, at - name) == quoted;
    const size_t colon = after_space(line, at);
    const size_t begin = after_space(line, colon + 1);
    at = after_value(line, begin);
    if (same) found = Extent{name, begin, at};
    at = after_space(line, at);
    if (at < line.size() && line[at] == ',') ++at;
  }
}

std::string quoted(std::string_view key) {
  std::string text;
  append_json_string(text, key);
  return text;
}

}  // namespace

void set_member(std::string& line, std::string_view key, std::string_view value) {
  const std::string name = quoted(key);
  if (const auto extent = find_member(line, name)) {
    line.replace(extent->begin, extent->end - extent->begin, value);
    return;
  }
  const size_t brace = line.rfind('}');
  const bool empty = line.find_last_not_of(kSpace, brace - 1) == line.find('{');
  line.insert(brace, (empty ? "" : ",") + name + ":" + std::string(value));
}

void remove_member(std::string& line, std::string_view key) {
  const std::string name = quoted(key);
  while (const auto extent = find_member(line, name)) {
    const size_t comma = after_space(line, extent->end);
    if (comma < line.size() && line[comma] == ',') {
      line.erase(extent->name, comma + 1 - extent->name);
      continue;
    }
    const size_t before = line.find_last_not_of(kSpace, extent->name - 1);  // a comma, or the brace
    const size_t from = line[before] == ',' ? before : before + 1;
    line.erase(from, extent->end - from);
  }
}

}  // namespace kedge::data
