#include "cli/standard_io.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>

namespace kedge::cli {

Result<std::string> read_standard_input() {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error{ErrorKind::unavailable, fmt::format("standard input: {}", std::strerror(errno))};
    if (count == 0) return text;
    if (text.size() + static_cast<size_t>(count) > kInputBytesMax) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("standard input: more than the limit of {} bytes", kInputBytesMax)};
    }
    text.append(buffer, static_cast<size_t>(count));
  }
}

Result<Json> read_json_input() {
  KEDGE_ASSIGN(const std::string text, read_standard_input());
  return parse_json(text, "standard input");
}

Status write_output(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (written) return Done{};
  return Error{ErrorKind::unavailable, fmt::format("standard output: {}", std::strerror(errno))};
}

Status write_json(const Json& json) {
  return write_output(to_text(json) + "\n");
}

void say(std::string_view line) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

Result<std::vector<int32_t>> token_ids(const Json& json, std::string_view what) {
  if (!json.is_array()) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: expected a list of token ids, found {}", what, json.type_name())};
  }
  std::vector<int32_t> ids;
  for (const Json& id : json) {
    const bool fits =
        id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() <= std::numeric_limits<int32_t>::max();
    if (!fits)
      return Error{ErrorKind::invalid_input, fmt::format("{}: found {}, expected a token id", what, to_text(id))};
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

Result<std::vector<int32_t>> parse_id_list(std::string_view text) {
  std::vector<int32_t> ids;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    int32_t id = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), id);
    const bool last = comma == text.size();
    if (error != std::errc() || end != part.data() + part.size() || id < 0 || (!last && comma + 1 == text.size())) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("--ids: found '{}', expected token ids separated by commas", part)};
    }
    ids.push_back(id);
    text.remove_prefix(last ? comma : comma + 1);
  }
  return ids;
}

}  // namespace kedge::cli
