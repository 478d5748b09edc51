// Goal: the language behaves as jinja2 does, in what it renders and in what it refuses.
// Method: expressions and templates of every feature, with what jinja2 itself made of them
// (tests/golden/make_jinja.py).

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/json.h"
#include "text/chat_template.h"

namespace kedge::text {
namespace {

TEST(JinjaGolden, every_case_is_as_in_jinja2) {
  const auto golden = read_json_file(std::filesystem::path(KEDGE_SOURCE_DIR) / "tests/golden/jinja/expected.json");
  ASSERT_TRUE(golden.ok()) << golden.error().message;
  Json variables = golden.value()["variables"];
  variables["strftime_now"] = golden.value()["strftime_now"];
  ASSERT_GT(golden.value()["cases"].size(), 800U);
  for (const Json& a_case : golden.value()["cases"]) {
    const std::string source = a_case["template"].get<std::string>();
    const auto parsed = ChatTemplate::parse(source);
    const auto rendered = parsed.ok() ? parsed.value()->render(variables) : Result<std::string>(parsed.error());
    if (!a_case.contains("expected")) {
      EXPECT_FALSE(rendered.ok()) << source << "\nrendered: " << (rendered.ok() ? rendered.value() : "");
      continue;
    }
    ASSERT_TRUE(rendered.ok()) << source << "\n" << rendered.error().message;
    EXPECT_EQ(rendered.value(), a_case["expected"].get<std::string>()) << source;
  }
}

}  // namespace
}  // namespace kedge::text
