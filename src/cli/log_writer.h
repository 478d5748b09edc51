#pragma once
// The log of a program that serves, on standard error.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "core/log.h"

namespace kedge::cli {

inline constexpr size_t kLogLinesMax = 10'000;  // that wait to be written; further ones are dropped and counted

/// A thread of its own writes, so that a reader of standard error who stands still holds up no request. Thread-safe.
/// Its end writes what is left.
class LogWriter {
 public:
  struct Options {
    bool json = false;
    LogLevel level = LogLevel::info;
  };

  explicit LogWriter(Options options);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void write(const LogRecord& record);
  /// What a person at a terminal is told: "kedge: text", or a record of the log in JSON.
  void say(std::string text, LogLevel level = LogLevel::info);
  /// Of this writer, which must live longer.
  LogSink sink() {
    return [this](const LogRecord& record) { write(record); };
  }

 private:
  void push(std::string line);
  void run();

  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  size_t dropped_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kedge::cli
