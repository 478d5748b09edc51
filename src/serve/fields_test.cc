// Goal: a field's row accepts exactly what its schema says, and its error names the field and what was found.
// Method: tables of values at and around every bound.
#include "serve/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kedge::serve {
namespace {

using testing::HasSubstr;

TEST(Fields, numbers_keep_their_range) {
  const NumberRange range{.min = 0, .max = 1, .excludes_max = true};
  EXPECT_EQ(read_number(0, "x", range).value(), 0);
  EXPECT_EQ(read_number(0.5, "x", range).value(), 0.5);
  for (const Json& wrong : {Json(1), Json(-0.001), Json("0.5"), Json(true), Json(nullptr), Json::array()}) {
    const auto read = read_number(wrong, "x", range);
    ASSERT_FALSE(read.ok()) << wrong;
    EXPECT_EQ(*read.error().param, "x");
    EXPECT_THAT(read.error().message, HasSubstr("of at least 0 and below 1"));
  }
}

TEST(Fields, integers_may_be_written_with_a_point) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(read_integer(5.0, "x", 0, 9).value(), 5);
  EXPECT_EQ(read_integer(kMax, "x", kMin, kMax).value(), kMax);
  EXPECT_EQ(read_integer(kMin, "x", kMin, kMax).value(), kMin);
  EXPECT_EQ(read_integer(uint64_t{7}, "x", 0, 9).value(), 7);
  for (const Json& wrong : {Json(5.5), Json(10), Json(-1), Json(1e300), Json(std::numeric_limits<uint64_t>::max()),
                            Json("5"), Json(false)}) {
    EXPECT_FALSE(read_integer(wrong, "x", 0, 9).ok()) << wrong;
  }
  EXPECT_FALSE(read_integer(std::numeric_limits<uint64_t>::max(), "x", kMin, kMax).ok());
}

TEST(Fields, values_are_described_briefly) {
  EXPECT_EQ(describe("hot"), "the string \"hot\"");
  EXPECT_EQ(describe(Json::object()), "an object");
  EXPECT_EQ(describe(2.5), "2.5");
  const std::string described = describe(std::string(1000, 'x') + "\xC3\xA9");
  EXPECT_LT(described.size(), 100U);
  std::string accents;
  for (int i = 0; i < 100; ++i) accents += "\xC3\xA9";
  EXPECT_NO_THROW(static_cast<void>(Json(describe(accents)).dump())) << "cut inside a character";
}

struct Target {
  float number = -1;
  std::string choice;
};

const Fields<Target>& fields() {
  static const Fields<Target> kFields = {
      required(number_field<Target>("number", {0, 1}, "A number.", [](Target& t, float x) { t.number = x; })),
      choice_field<Target>("choice", {"a", "b"}, "A choice.",
                           [](Target& t, std::string c) { t.choice = std::move(c); }),
  };
  return kFields;
}

TEST(Fields, tables_read_objects) {
  Target target;
  EXPECT_TRUE(read_fields({{"number", 0.5}, {"choice", nullptr}, {"other", 1}}, fields(), target).ok());
  EXPECT_EQ(target.number, 0.5F);
  EXPECT_EQ(target.choice, "");
  const ApiStatus missing = read_fields({{"choice", "a"}}, fields(), target, "outer");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(*missing.error().param, "outer.number");
  const ApiStatus wrong = read_fields({{"number", 1}, {"choice", "c"}}, fields(), target);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().message, "'choice' must be one of 'a', 'b'; found the string \"c\"");
}

TEST(Fields, tables_describe_themselves) {
  Json schema;
  add_properties(schema, fields());
  EXPECT_EQ(schema["required"], Json::array({"number"}));
  EXPECT_EQ(schema["properties"]["number"]["type"], "number");
  EXPECT_EQ(schema["properties"]["choice"]["type"], Json::array({"string", "null"}));
  EXPECT_EQ(schema["properties"]["choice"]["enum"], Json::array({"a", "b", nullptr}));
}

TEST(Fields, an_optional_field_of_several_types_may_be_null) {
  Json schema;
  add_property(schema, "either", {{"type", Json::array({"object", "string"})}}, false);
  EXPECT_EQ(schema["properties"]["either"]["type"], Json::array({"object", "string", "null"}));
}

TEST(Fields, bodies_must_be_declared_as_json) {
  net::ServerRequest request;
  request.body = "{}";
  EXPECT_EQ(read_json_body(request).error().status, 415);
  for (const char* type : {"application/json", "Application/JSON ; charset=utf-8", "application/vnd.x+json"}) {
    request.headers = {{"content-type", type}};
    EXPECT_TRUE(read_json_body(request).ok()) << type;
  }
  request.headers = {{"Content-Type", "application/jsonp"}};
  EXPECT_FALSE(read_json_body(request).ok());
}

}  // namespace
}  // namespace kedge::serve
