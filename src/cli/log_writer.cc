#include "cli/log_writer.h"

#include <fmt/format.h>

#include <chrono>

#include "cli/standard_io.h"

namespace kedge::cli {

LogWriter::LogWriter(Options options) : options_(options), thread_([this] { run(); }) {}

LogWriter::~LogWriter() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void LogWriter::write(const LogRecord& record) {
  if (record.level < options_.level) return;
  const auto now = std::chrono::system_clock::now();
  push(options_.json ? log_json(record, now) : log_text(record, now));
}

void LogWriter::say(std::string text, LogLevel level) {
  if (options_.json) {
    write({level, std::move(text), {}});
  } else if (level >= options_.level) {
    push("kedge: " + text);
  }
}

void LogWriter::push(std::string line) {
  {
    const std::scoped_lock lock(mutex_);
    if (lines_.size() >= kLogLinesMax) {
      ++dropped_;
      return;
    }
    lines_.push_back(std::move(line));
  }
  changed_.notify_one();
}

void LogWriter::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !lines_.empty(); });
    if (lines_.empty()) return;
    std::deque<std::string> lines;
    lines.swap(lines_);
    const size_t dropped = std::exchange(dropped_, 0);
    lock.unlock();
    for (const std::string& line : lines) cli::say(line);
    if (dropped > 0) {
      const LogRecord record{LogLevel::warning, "lines of the log were dropped", {{"count", dropped}}};
      const auto now = std::chrono::system_clock::now();
      cli::say(options_.json ? log_json(record, now) : log_text(record, now));
    }
    lock.lock();
  }
}

}  // namespace kedge::cli
