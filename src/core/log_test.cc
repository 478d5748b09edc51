// Goal: a record is one line, whatever it holds, and a program reads it back.
// Method: records with foreign text.
#include "core/log.h"

#include <gtest/gtest.h>

namespace kedge {
namespace {

const std::chrono::system_clock::time_point kTime{std::chrono::milliseconds(1767225599123)};

TEST(Log, text_is_one_line_with_a_time) {
  const LogRecord record{LogLevel::warning, "two\nlines", {{"a", 1}, {"b", "word"}, {"c", "two words\n"}, {"d", 1.25}}};
  EXPECT_EQ(log_text(record, kTime), "2025-12-31T23:59:59.123Z warning two lines a=1 b=word c=\"two words\\n\" d=1.2");
}

TEST(Log, json_is_one_line_that_reads_back) {
  const LogRecord record{LogLevel::info, "say \"it\"\n", {{"path", "/a\xFF"}, {"count", 3}}};
  const std::string line = log_json(record, kTime);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Result<Json> read = parse_json(line, "line");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read.value()["time"], "2025-12-31T23:59:59.123Z");
  EXPECT_EQ(read.value()["level"], "info");
  EXPECT_EQ(read.value()["message"], "say \"it\"\n");
  EXPECT_EQ(read.value()["count"], 3);
}

TEST(Log, levels_have_names) {
  for (const LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
    EXPECT_EQ(log_level_named(log_level_name(level)), level);
  }
  EXPECT_EQ(log_level_named("loud"), std::nullopt);
}

}  // namespace
}  // namespace kedge
