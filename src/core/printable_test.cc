// Goal: whatever a file calls a thing, a message can show it.
// Method: control characters, quotes, every kind of broken UTF-8, the limit.

#include "core/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace kedge {
namespace {

TEST(Printable, names_can_be_shown) {
  EXPECT_EQ(printable("model.layers.0"), "'model.layers.0'");
  EXPECT_EQ(printable(""), "''");
  EXPECT_EQ(printable("a'b\\c\n\x7f"), R"('a\x27b\x5cc\x0a\x7f')");
  EXPECT_EQ(printable(std::string("\0\x1b[2J", 5)), R"('\x00\x1b[2J')");
  EXPECT_EQ(printable("größe 模型 \U0001F600"), "'größe 模型 \U0001F600'");
  EXPECT_EQ(printable("\xff\xc3\x80\xe6\xa8"), "'\\xff\xc3\x80\\xe6\\xa8'");
  EXPECT_EQ(printable("\xc2\x9b[2J"), R"('\xc2\x9b[2J')");  // U+009B, a control character
  EXPECT_EQ(printable(std::string(200, 'a')), "'" + std::string(200, 'a') + "'");
  EXPECT_EQ(printable(std::string(201, 'a')), "'" + std::string(200, 'a') + "...'");
}

TEST(Printable, messages_stay_on_one_line) {
  EXPECT_EQ(one_line("config.json: 'a' is wrong"), "config.json: 'a' is wrong");
  EXPECT_EQ(one_line("no\nsystem\r\n\trole"), "no system   role");
  EXPECT_EQ(one_line("bell \a, broken \xff\xc3, größe"), "bell \\x07, broken \\xff\\xc3, größe");
}

}  // namespace
}  // namespace kedge
