// Goal: no template hangs, exhausts memory or stack: it renders or fails with a message.
// Method: hostile templates of every kind against the default limits and against tight ones.

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/json.h"
#include "text/chat_template.h"

namespace kedge::text {
namespace {

std::string repeated(std::string_view text, size_t times) {
  std::string result;
  for (size_t i = 0; i < times; ++i) result += text;
  return result;
}

Result<std::string> render(const std::string& source, const TemplateLimits& limits = {},
                           const Json& variables = Json::object()) {
  const auto parsed = ChatTemplate::parse(source, limits);
  if (!parsed.ok()) return parsed.error();
  return parsed.value()->render(variables);
}

void expect_failure(const std::string& source, std::string_view reason, const TemplateLimits& limits = {}) {
  const auto result = render(source, limits);
  ASSERT_FALSE(result.ok()) << source.substr(0, 200);
  EXPECT_NE(result.error().message.find(reason), std::string::npos) << result.error().message;
}

TEST(JinjaLimits, endless_work_stops) {
  const std::string inner = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
  expect_failure(inner, "steps_max");
  expect_failure("{% set l = range(90000)|list %}{% for a in l %}{{ l|sort|first }}{% endfor %}", "limit");
  expect_failure("{% set s = 'a' * 1000000 %}{% for a in range(100000) %}{{ (s ~ 'b') in s }}{% endfor %}", "limit");
  expect_failure("{% set s = 'a' * 9000000 %}{% for a in range(100000) %}{{ s|length }}{{ s.find('b') }}{% endfor %}",
                 "steps_max");
  expect_failure(
      "{% set ns = namespace(t=()) %}{% for a in range(60) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}"
      "{{ ns.t == (ns.t, 1) or ns.t|string|length or {ns.t: 1} }}",
      "limit");
}

TEST(JinjaLimits, memory_stays_bounded) {
  expect_failure("{{ 'a' * 10000000000 }}", "output_bytes_max");
  expect_failure("{{ [1] * 10000000000 }}", "output_bytes_max");
  expect_failure("{{ 'a' * 170141183460469231731687303715884105727 }}", "output_bytes_max");
  expect_failure("{% set ns = namespace(s='ab') %}{% for a in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
                 "output_bytes_max");
  expect_failure("{{ 'a'.center(10000000000) }}", "output_bytes_max");
  expect_failure("{{ '%100000000d' % 1 }}", "width");
  expect_failure("{{ '{:100000000}'.format(1) }}", "format");
  expect_failure("{{ 'a'|indent(100000000000, true) }}", "output_bytes_max");
  expect_failure("{{ ('a' * 1000000).replace('', 'b' * 1000000) }}", "output_bytes_max");
  expect_failure("{{ ['a']|batch(10000000000, 'x')|list }}", "output_bytes_max");
  expect_failure("{{ range(100001) }}", "range");
  TemplateLimits tight;
  tight.output_bytes_max = 100;
  expect_failure("{% for a in range(101) %}x{% endfor %}", "output_bytes_max", tight);
  EXPECT_TRUE(render("{% for a in range(99) %}x{% endfor %}", tight).ok());
}

TEST(JinjaLimits, the_stack_stays_bounded) {
  expect_failure("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "depth_max");
  expect_failure(
      "{% macro f(n) %}{% call g(n) %}{% endcall %}{% endmacro %}"
      "{% macro g(n) %}{{ f(n) }}{{ caller() }}{% endmacro %}{{ f(1) }}",
      "depth_max");
  expect_failure("{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}", "depth_max");
  expect_failure(repeated("{% if true %}", 5000) + repeated("{% endif %}", 5000), "depth_max");
  expect_failure("{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}", "depth_max");
  expect_failure("{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}", "depth_max");
  expect_failure("{{ " + repeated("not ", 5000) + "1 }}", "depth_max");
  expect_failure("{{ " + repeated("-", 5000) + "1 }}", "depth_max");
  expect_failure("{{ a" + repeated(".a", 5000) + " }}", "depth_max");
  expect_failure("{{ a" + repeated("|string", 5000) + " }}", "depth_max");
  expect_failure("{{ a" + repeated("()", 5000) + " }}", "depth_max");
  expect_failure("{{ a" + repeated(" if a else b", 5000) + " }}", "depth_max");
  expect_failure("{% set " + repeated("(", 5000) + "a" + repeated(")", 5000) + " = 1 %}", "depth_max");
  expect_failure(
      "{% set ns = namespace(l=[]) %}{% for a in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
      "too deeply");
  expect_failure(
      "{% set ns = namespace(l=[]) %}{% for a in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}",
      "too deeply");
  expect_failure("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}", "too deeply");
  expect_failure(
      "{% set ns = namespace(g=['a']) %}{% for a in range(1000) %}{% set ns.g = ns.g|map('upper') %}{% endfor %}"
      "{{ ns.g|list }}",
      "too deeply");
  EXPECT_TRUE(
      render("{% set ns = namespace(l=[]) %}{% for a in range(20000) %}{% set ns.l = [ns.l] %}{% endfor %}").ok());
}

TEST(JinjaLimits, long_sources_parse_in_linear_time) {
  EXPECT_TRUE(render("{{ 1" + repeated(" + 1", 100000) + " }}").ok());
  EXPECT_TRUE(render("{{ a" + repeated(" or a", 100000) + " }}").ok());
  EXPECT_TRUE(render("{{ 1" + repeated(" ~ 1", 100000) + " }}").ok());
  EXPECT_TRUE(render("{% if a %}" + repeated("{% elif a %}{% set b = 1 %}", 30000) + "{% endif %}").ok());
  EXPECT_TRUE(render(repeated("{% set a = 1 %}", 60000)).ok());
  EXPECT_TRUE(render(repeated("{", 1 << 20)).error().message.find("line 1") != std::string::npos);
  expect_failure(repeated("x", (1 << 20) + 1), "limit");
  expect_failure("{{ \"" + repeated("\\", 100001), "closing quote");
  expect_failure("{{ " + repeated("9", 1000) + " }}", "128 bits");
  expect_failure("{% macro f(" + repeated("a, ", 2000) + "a) %}{% endmacro %}", "twice");
}

TEST(JinjaLimits, requests_of_the_wrong_shape_fail) {
  EXPECT_FALSE(render("x", {}, Json::array()).ok());
  EXPECT_FALSE(render("x", {}, Json::parse(R"({"messages": "text"})")).ok());
  EXPECT_FALSE(render("x", {}, Json::parse(R"({"messages": [1]})")).ok());
  EXPECT_FALSE(render("x", {}, Json::parse(R"({"strftime_now": 1})")).ok());
  EXPECT_FALSE(render("{{ strftime_now('%Y') }}", {}, Json::parse(R"({"strftime_now": "yesterday"})")).ok());
  EXPECT_FALSE(render("{{ strftime_now('%Y') }}", {}, Json::parse(R"({"strftime_now": "2024-02-30"})")).ok());
  EXPECT_FALSE(render("{{ strftime_now('%Y') }}").ok());
  EXPECT_EQ(
      render("{{ strftime_now('%H:%M') }}", {}, Json::parse(R"({"strftime_now": "2024-02-29 12:34:56"})")).value(),
      "12:34");
  EXPECT_FALSE(ChatTemplate::parse("\xff").ok());
}

TEST(JinjaLimits, errors_name_the_line_and_the_reason) {
  EXPECT_EQ(render("a\n{{ b.c }}").error().message, "chat template, line 2: 'b' is undefined");
  EXPECT_EQ(render("{{ raise_exception('no system role') }}").error().message,
            "chat template, line 1: the template refuses: no system role");
  EXPECT_EQ(render("\n\n{% if %}").error().message, "chat template: line 3: expected an expression, found '%}'");
  EXPECT_EQ(render("{% for a in b %}").error().kind, ErrorKind::corrupt_data);
  EXPECT_EQ(render("{{ 1 + 'a' }}").error().kind, ErrorKind::invalid_input);
}

}  // namespace
}  // namespace kedge::text
