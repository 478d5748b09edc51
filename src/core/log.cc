#include "core/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/printable.h"

namespace kedge {

namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

std::string time_text(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     milliseconds.count());
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7F && c != '"' && c != '=' && c != '\\';
  });
}

std::string value_text(const Json& value) {
  if (value.is_number_float()) return fmt::format("{:.1f}", value.get<double>());
  if (!value.is_string()) return to_text(value);
  const std::string& text = value.get_ref<const std::string&>();
  return is_word(text) ? text : to_text(value);
}

}  // namespace

std::string_view log_level_name(LogLevel level) {
  return kLevelNames[static_cast<size_t>(level)];
}

std::optional<LogLevel> log_level_named(std::string_view name) {
  const auto* const found = std::find(std::begin(kLevelNames), std::end(kLevelNames), name);
  if (found == std::end(kLevelNames)) return std::nullopt;
  return static_cast<LogLevel>(found - std::begin(kLevelNames));
}

std::string log_text(const LogRecord& record, std::chrono::system_clock::time_point time) {
  std::string line = fmt::format("{} {} {}", time_text(time), log_level_name(record.level), one_line(record.message));
  for (const auto& [name, value] : record.fields) line += fmt::format(" {}={}", name, value_text(value));
  return line;
}

std::string log_json(const LogRecord& record, std::chrono::system_clock::time_point time) {
  Json line = {{"time", time_text(time)}, {"level", log_level_name(record.level)}, {"message", record.message}};
  for (const auto& [name, value] : record.fields) line[name] = value;
  return to_text(line);
}

}  // namespace kedge
