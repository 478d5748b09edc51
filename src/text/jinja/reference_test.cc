// Goal: real chat templates render exactly as transformers renders them, and refuse what it refuses.
// Method: every case of the reference data (24 templates, 38 conversations each), byte for byte.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "core/file.h"
#include "core/json.h"
#include "text/chat_template.h"

namespace kedge::text {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(KEDGE_SOURCE_DIR) / "../shared/data/models/templates";

Json request_of(const Json& reference, const Json& row, const Json& a_case, const Json& conversation) {
  Json request = Json::object();
  request["messages"] = conversation["messages"];
  request["tools"] = nullptr;
  if (a_case["tools"].is_array()) {
    request["tools"] = Json::array();
    for (const Json& name : a_case["tools"]) request["tools"].push_back(reference["tools"][name.get<std::string>()]);
  }
  request["add_generation_prompt"] = a_case["add_generation_prompt"];
  request["bos_token"] = row["bos_token"];
  request["eos_token"] = row["eos_token"];
  request["strftime_now"] = reference["strftime_now_date"];
  for (const Json* source : {&row, &conversation}) {
    for (const char* key : {"variables", "kwargs"}) {
      if (source->contains(key)) request.update((*source)[key]);
    }
  }
  return request;
}

TEST(JinjaReference, every_real_template_renders_exactly) {
  if (!std::filesystem::exists(kFolder)) GTEST_SKIP() << "NOT RUN: no reference data at " << kFolder;
  const auto reference = read_json_file(kFolder / "expected.json");
  ASSERT_TRUE(reference.ok()) << reference.error().message;
  std::map<std::string, Json> conversations;
  for (const Json& chat : reference.value()["conversations"]) conversations[chat["name"].get<std::string>()] = chat;
  size_t count = 0;
  for (const auto& [name, row] : reference.value()["templates"].items()) {
    const auto source = read_file(kFolder / (name + ".jinja"), 1 << 20);
    ASSERT_TRUE(source.ok()) << source.error().message;
    const auto parsed = ChatTemplate::parse(source.value());
    ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.error().message;
    for (const Json& a_case : row["cases"]) {
      const std::string chat = a_case["chat"].get<std::string>();
      const auto rendered = parsed.value()->render(request_of(reference.value(), row, a_case, conversations[chat]));
      ++count;
      if (a_case.contains("error")) {
        EXPECT_FALSE(rendered.ok()) << name << ", " << chat << ": rendered, though it is refused by the reference";
        continue;
      }
      ASSERT_TRUE(rendered.ok()) << name << ", " << chat << ": " << rendered.error().message;
      EXPECT_EQ(rendered.value(), a_case["expected"].get<std::string>()) << name << ", " << chat;
    }
  }
  EXPECT_GE(count, 24U * 38U);
}

}  // namespace
}  // namespace kedge::text
