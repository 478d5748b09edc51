#pragma once
// What the layers tell an operator. Nobody below cli writes it anywhere: a sink takes it.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace kedge {

enum class LogLevel : uint8_t { debug, info, warning, error };

struct LogRecord {
  LogLevel level = LogLevel::info;
  std::string message;
  std::vector<std::pair<std::string, Json>> fields;  // in the order of printing
};

/// Takes records from any thread. Must not block for long. May be empty.
using LogSink = std::function<void(const LogRecord&)>;

inline void write_log(const LogSink& sink, const LogRecord& record) {
  if (sink) sink(record);
}

std::string_view log_level_name(LogLevel level);
std::optional<LogLevel> log_level_named(std::string_view name);

/// "2026-01-31T23:59:59.123Z info message name=value ...", one line; values that hold more than a word are quoted.
std::string log_text(const LogRecord& record, std::chrono::system_clock::time_point time);
/// {"time", "level", "message", ...fields}, one line.
std::string log_json(const LogRecord& record, std::chrono::system_clock::time_point time);

}  // namespace kedge
