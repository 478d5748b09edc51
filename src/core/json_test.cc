// Goal: what is no JSON is refused with its name, whatever the library makes of it.
// Method: documents with bytes that end them too early, and too deep ones.
#include "core/json.h"

#include <gtest/gtest.h>

#include <string>

namespace kedge {
namespace {

using namespace std::string_literals;

TEST(Json, nothing_stands_behind_a_zero_byte) {
  EXPECT_TRUE(parse_json("{\"a\":1}\n", "x").ok());
  for (const std::string& text : {"{\"a\":1}\0"s, "{\"a\":1}\t\0],\"}\""s, "\0{}"s, "{\"a\":\"b\0\"}"s}) {
    const auto parsed = parse_json(text, "config.json");
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().kind, ErrorKind::corrupt_data);
    EXPECT_EQ(parsed.error().message,
              "config.json: not valid JSON: a zero byte at byte " + std::to_string(text.find('\0')));
  }
}

TEST(Json, depth_has_a_limit) {
  const std::string deep = std::string(kJsonDepthMax + 2, '[') + std::string(kJsonDepthMax + 2, ']');
  EXPECT_NE(parse_json(deep, "x").error().message.find("nested deeper"), std::string::npos);
}

}  // namespace
}  // namespace kedge
