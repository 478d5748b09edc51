#include "curate/filters/per_extension.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "core/file.h"

namespace kedge::curate {
namespace {

constexpr size_t kTableBytesMax = size_t{16} << 20;
constexpr double kMeanLineMax = 100;
constexpr CodeView kAlsoPlain = U"\n?!,.";

using Row = std::vector<std::string>;

/// The next row, taken off `text`, as Python's csv reads it: quotes matter where a field begins with one.
Row take_row(std::string_view& text) {
  Row row(1);
  bool quoted = false, begins = true;
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '"' && at + 1 < text.size() && text[at + 1] == '"') {
      row.back() += text[++at];
    } else if (quoted || (c == '"' && begins)) {
      if (c == '"') {
        quoted = !quoted;
      } else {
        row.back() += c;
      }
    } else if (c == ',') {
      row.emplace_back();
      begins = true;
      continue;
    } else if (c == '\n' || c == '\r') {
      break;
    } else {
      row.back() += c;
    }
    begins = false;
  }
  if (text.substr(at).starts_with("\r\n")) ++at;
  text.remove_prefix(std::min(at + 1, text.size()));
  return row;
}

/// The columns that count, by their place in a row.
struct Columns {
  enum : size_t { language, extension, include, line_max, alphanumeric, alphabetic, count };
  std::array<size_t, count> places{};

  [[nodiscard]] std::string of(const Row& row, size_t column) const {
    return places[column] < row.size() ? row[places[column]] : std::string();
  }
};

Result<Columns> find_columns(const Row& head, const std::string& name) {
  constexpr std::array<std::string_view, Columns::count> kNames = {
      "language", "extension", "Include", "Long_line_threshold", "Alphanum_threshold", "Alpha filter"};
  Columns columns;
  for (size_t i = 0; i < kNames.size(); ++i) {
    columns.places[i] = static_cast<size_t>(std::ranges::find(head, kNames[i]) - head.begin());
    if (columns.places[i] < head.size()) continue;
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: found no column '{}', expected NeMo Curator's code_meta.csv", name, kNames[i])};
  }
  return columns;
}

/// What a number is made of; nothing where the field is none, and for 0, which bounds nothing.
std::optional<double> number_of(std::string_view field, bool whole) {
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  while (!field.empty() && field.back() == ' ') field.remove_suffix(1);
  if (field.starts_with('+')) field.remove_prefix(1);
  double value = 0;
  const char* const end = field.data() + field.size();
  const auto read = std::from_chars(field.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value == 0) return std::nullopt;
  const bool digits = field.find_first_not_of("0123456789-") == std::string_view::npos;
  return whole && !digits ? std::nullopt : std::optional(value);
}

ExtensionLimits limits_of(const Row& row, const Columns& columns) {
  ExtensionLimits limits;
  limits.include = columns.of(row, Columns::include) == "1";
  limits.line_max = number_of(columns.of(row, Columns::line_max), true);
  limits.alphanumeric = number_of(columns.of(row, Columns::alphanumeric), false);
  limits.alphabetic = number_of(columns.of(row, Columns::alphabetic), false);
  return limits;
}

/// Longer lines, or more of them, than the limits allow.
bool lines_are_too_long(CodeView source, double line_max) {
  size_t longest = 0, lines = 0;
  for (const CodeView line : split_at(source, U"\n")) {
    longest = std::max(longest, line.size());
    ++lines;
  }
  const double mean = static_cast<double>(source.size() + 1) / static_cast<double>(lines) - 1;
  return static_cast<double>(longest) > line_max || mean > kMeanLineMax;
}

bool is_plain(char32_t c) {
  return (c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') ||
         kAlsoPlain.find(c) != CodeView::npos;
}

}  // namespace

Result<ExtensionLimits> read_extension_limits(const std::filesystem::path& table, const std::string& language,
                                              const std::string& extension) {
  KEDGE_ASSIGN(const std::string csv, read_file(table, kTableBytesMax));
  return parse_extension_limits(csv, table.string(), language, extension);
}

Result<ExtensionLimits> parse_extension_limits(std::string_view csv, const std::string& name,
                                               const std::string& language, const std::string& extension) {
  KEDGE_ASSIGN(const Columns columns, find_columns(take_row(csv), name));
  ExtensionLimits limits;
  bool knows_language = false;
  while (!csv.empty()) {
    const Row row = take_row(csv);
    if (columns.of(row, Columns::language) != language) continue;
    knows_language = true;
    if (columns.of(row, Columns::extension) == extension) limits = limits_of(row, columns);
  }
  if (knows_language) return limits;
  return Error{ErrorKind::corrupt_data,
               fmt::format("{}: found no row of language '{}', expected one of its column 'language'", name, language)};
}

std::optional<double> score_extension(CodeView source, const ExtensionLimits& limits) {
  if (!limits.include) return 0;
  if (limits.line_max && lines_are_too_long(source, *limits.line_max)) return 0;
  const auto size = static_cast<double>(source.size());
  if (limits.alphanumeric) {
    if (source.empty()) return std::nullopt;
    if (static_cast<double>(std::ranges::count_if(source, is_plain)) / size < *limits.alphanumeric) return 0;
  }
  if (!limits.alphabetic) return 1;
  const auto letters = std::ranges::count_if(source, [](char32_t c) { return is(c, kAlphabetic); });
  return static_cast<double>(letters) < *limits.alphabetic * size ? 0 : 1;
}

}  // namespace kedge::curate
