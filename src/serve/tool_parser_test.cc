// Goal: calls are found in what each family of models writes, however the answer is cut; other text stays as it is.
// Method: an answer of each syntax, whole, character by character and cut in two at every place; then what a
// constraint of the same syntax allows and refuses, byte by byte.
#include "serve/tool_parser.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "grammar/grammar_for_tests.h"

namespace kedge::serve {
namespace {

struct Found {
  std::string text;
  std::vector<std::pair<std::string, std::string>> calls;  // names and arguments
  bool operator==(const Found&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Found& found) {
  out << "'" << found.text << "'";
  for (const auto& [name, arguments] : found.calls) out << " " << name << "(" << arguments << ")";
  return out;
}

Found parse(ToolSyntax syntax, const std::vector<std::string>& parts) {
  ToolCallParser parser(syntax);
  Found found;
  const auto take = [&](const AnswerPieces& pieces) {
    found.text += pieces.text;
    for (const ToolCallPiece& piece : pieces.calls) {
      if (!piece.name.empty()) {
        EXPECT_EQ(piece.index, found.calls.size());
        EXPECT_FALSE(piece.id.empty());
        found.calls.emplace_back(piece.name, "");
      }
      found.calls.at(piece.index).second += piece.arguments;
    }
  };
  for (const std::string& part : parts) take(parser.push(part));
  take(parser.finish());
  return found;
}

struct Case {
  ToolSyntax syntax;
  std::string answer;
  Found expected;
};

const std::vector<Case>& cases() {
  const std::string one = R"({"city": "Z\u00fcrich }]\"", "days": [1, {"x": 2}]})", two = R"({})";
  static const std::vector<Case> kCases = {
      {ToolSyntax::hermes,
       "<tool_call>\n{\"name\": \"f\", \"arguments\": " + one + "}\n</tool_call>",
       {"", {{"f", one}}}},
      {ToolSyntax::hermes,
       "Let me <look>.\n<tool_call>\n{\"name\": \"f\", \"arguments\": " + one +
           "}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>",
       {"Let me <look>.\n", {{"f", one}, {"g", two}}}},
      {ToolSyntax::hermes, "no call <tool_ at all", {"no call <tool_ at all", {}}},
      {ToolSyntax::hermes, "<tool_call>broken", {"<tool_call>broken", {}}},
      {ToolSyntax::hermes, "\n\n", {"\n\n", {}}},
      {ToolSyntax::hermes, "\n hi", {"\n hi", {}}},
      {ToolSyntax::hermes, "\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", {"", {{"f", two}}}},
      {ToolSyntax::llama_json, "{\"name\": \"f\", \"parameters\": " + one + "}", {"", {{"f", one}}}},
      {ToolSyntax::llama_json, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", {"", {{"f", two}}}},
      {ToolSyntax::llama_json, "It is {\"name\": 1}", {"It is {\"name\": 1}", {}}},
      {ToolSyntax::llama_json, "{\"a\": 1}", {"{\"a\": 1}", {}}},
      {ToolSyntax::pythonic,
       "[f(city='Z\"\\'x', n=-1.5, ok=True, no=None, l=[1, \"]\"], d={'k': False}), g()]",
       {"", {{"f", R"({"city":"Z\"'x","n":-1.5,"ok":true,"no":null,"l":[1,"]"],"d":{"k":false}})"}, {"g", two}}}},
      {ToolSyntax::pythonic, "see [1] there", {"see [1] there", {}}},
      {ToolSyntax::pythonic, "[1] is", {"[1] is", {}}},
      {ToolSyntax::mistral_list,
       "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": " + one + "}, {\"name\": \"g\", \"arguments\": {}}]",
       {"", {{"f", one}, {"g", two}}}},
      {ToolSyntax::mistral_list, "Well.[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]", {"Well.", {{"f", two}}}},
      {ToolSyntax::mistral_args,
       "[TOOL_CALLS]f[ARGS]" + one + "[TOOL_CALLS]g[CALL_ID]abcdefghi[ARGS]{}",
       {"", {{"f", one}, {"g", two}}}},
      {ToolSyntax::phi,
       "<|tool_call|>[{\"name\": \"f\", \"arguments\": " + one +
           "}, {\"name\": \"g\", \"arguments\": {}}]<|/tool_call|>",
       {"", {{"f", one}, {"g", two}}}},
      {ToolSyntax::functools,
       "functools[{\"name\": \"f\", \"arguments\": " + one + "}, {\"name\": \"g\", \"arguments\": {}}]",
       {"", {{"f", one}, {"g", two}}}},
      {ToolSyntax::functools, "functools are", {"functools are", {}}},
  };
  return kCases;
}

TEST(ToolCallParser, finds_calls_however_the_answer_is_cut) {
  for (const Case& each : cases()) {
    EXPECT_EQ(parse(each.syntax, {each.answer}), each.expected) << each.answer;
    std::vector<std::string> characters;
    for (const char c : each.answer) characters.emplace_back(1, c);
    EXPECT_EQ(parse(each.syntax, characters), each.expected) << each.answer;
    for (size_t i = 1; i < each.answer.size(); ++i) {
      EXPECT_EQ(parse(each.syntax, {each.answer.substr(0, i), each.answer.substr(i)}), each.expected)
          << each.answer.substr(0, i) << " | " << each.answer.substr(i);
    }
  }
}

TEST(ToolCallParser, any_bytes_do_no_harm) {
  for (const Case& each : cases()) {
    for (size_t i = 0; i < each.answer.size(); ++i) {
      for (const char replaced : {'"', '{', '}', '[', ']', ',', '\\', 'x'}) {
        std::string broken = each.answer;
        broken[i] = replaced;
        parse(each.syntax, {broken});
        parse(each.syntax, {each.answer.substr(0, i)});
      }
    }
  }
}

TEST(ToolCallParser, arguments_come_in_pieces) {
  ToolCallParser parser(ToolSyntax::hermes);
  EXPECT_EQ(parser.push("<tool_call>\n{\"name\": \"f\", ").calls.size(), 0U);
  const AnswerPieces first = parser.push("\"arguments\": {\"a\"");
  ASSERT_EQ(first.calls.size(), 2U);
  EXPECT_EQ(first.calls[0].name, "f");
  EXPECT_EQ(first.calls[0].arguments, "");
  EXPECT_EQ(first.calls[1].arguments, "{\"a\"");
  EXPECT_EQ(parser.push(": 1").calls.at(0).arguments, ": 1");
}

TEST(ToolSyntax, ids) {
  EXPECT_EQ(tool_call_id(ToolSyntax::mistral_args).size(), 9U);
  EXPECT_TRUE(tool_call_id(ToolSyntax::hermes).starts_with("call_"));
}

// ---- constraints

const std::vector<Tool>& tools() {
  static const std::vector<Tool> kTools = {
      {"weather",
       Json::parse(
           R"({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]})")},
      {"now", Json::parse(R"({"type": "object", "properties": {}, "additionalProperties": false})")}};
  return kTools;
}

struct Allowed {
  ToolSyntax syntax;
  std::string calls, one_call, wrong;
};

const std::vector<Allowed>& allowed() {
  static const std::vector<Allowed> kAllowed = {
      {ToolSyntax::hermes,
       "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": "
       "\"Bern\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>",
       "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", "<tool_call>\n{\"name\": \"other\""},
      {ToolSyntax::llama_json, "", "{\"name\": \"weather\", \"parameters\": {\"city\": \"Bern\", \"days\": 2}}",
       "{\"name\": \"weather\", \"parameters\": {\"days\": 2"},
      {ToolSyntax::pythonic, "[weather(city=\"Bern\", days=2), now()]", "[now()]", "[weather(days=2"},
      {ToolSyntax::mistral_list,
       "[TOOL_CALLS][{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"weather\", \"arguments\": {\"city\": "
       "\"x\"}}]",
       "[TOOL_CALLS] [{\"name\": \"now\", \"arguments\": {}}]", "[TOOL_CALLS]{"},
      {ToolSyntax::mistral_args, "[TOOL_CALLS]now[ARGS]{}[TOOL_CALLS]weather[CALL_ID]abcDEF123[ARGS]{\"city\": \"x\"}",
       "[TOOL_CALLS]now[ARGS]{}", "[TOOL_CALLS]now[ARGS]{\"x\""},
      {ToolSyntax::phi,
       "<|tool_call|>[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"now\", \"arguments\": {}}]<|/tool_call|>",
       "<|tool_call|>[{\"name\": \"now\", \"arguments\": {}}]<|/tool_call|>", "<|tool_call|>[{\"name\": 1"},
      {ToolSyntax::functools,
       "functools[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"now\", \"arguments\": {}}]",
       "functools[{\"name\": \"now\", \"arguments\": {}}]", "functools[]"}};
  return kAllowed;
}

bool allows(ToolSyntax syntax, const ToolRules& rules, const std::string& text) {
  const Constraint constraint = tool_constraint(syntax, tools(), rules);
  return grammar::matches(constraint.kind, constraint.source, text);
}

TEST(ToolSyntax, constraints_allow_calls_and_text) {
  for (const Allowed& each : allowed()) {
    const ToolRules open{.call_ids = true}, needed{.needed = true, .call_ids = true},
        single{.needed = true, .parallel = false, .call_ids = true};
    EXPECT_TRUE(allows(each.syntax, open, each.one_call)) << each.one_call;
    EXPECT_TRUE(allows(each.syntax, open, "Just text, \xC3\xA9 (a[b] {c}.")) << each.one_call;
    EXPECT_TRUE(allows(each.syntax, open, ""));
    EXPECT_FALSE(allows(each.syntax, open, each.wrong)) << each.wrong;
    EXPECT_TRUE(allows(each.syntax, needed, each.one_call)) << each.one_call;
    EXPECT_FALSE(allows(each.syntax, needed, "Just text"));
    EXPECT_FALSE(allows(each.syntax, needed, ""));
    EXPECT_TRUE(allows(each.syntax, single, each.one_call)) << each.one_call;
    if (each.calls.empty()) continue;
    EXPECT_TRUE(allows(each.syntax, open, each.calls)) << each.calls;
    EXPECT_TRUE(allows(each.syntax, needed, each.calls)) << each.calls;
    EXPECT_FALSE(allows(each.syntax, single, each.calls)) << each.calls;
  }
}

TEST(ToolSyntax, text_may_have_a_form_of_its_own) {
  const ToolRules rules{.text = format_of({ConstraintKind::choice, R"(["yes", "no"])"})};
  for (const Allowed& each : allowed()) {
    EXPECT_TRUE(allows(each.syntax, rules, "yes"));
    EXPECT_FALSE(allows(each.syntax, rules, "maybe"));
    EXPECT_TRUE(allows(each.syntax, rules, each.one_call)) << each.one_call;
  }
}

TEST(ToolSyntax, constrained_calls_are_found) {
  for (const Allowed& each : allowed()) {
    const Found found = parse(each.syntax, {each.calls.empty() ? each.one_call : each.calls});
    EXPECT_EQ(found.text, "");
    EXPECT_EQ(found.calls.size(), each.calls.empty() ? 1U : 2U) << found;
    for (const auto& [name, arguments] : found.calls) EXPECT_TRUE(Json::accept(arguments)) << arguments;
  }
}

TEST(ToolSyntax, calls_are_written_out) {
  const Json calls =
      Json::parse(R"([{"function": {"name": "f", "arguments": {"a": "x", "b": [1]}}}, {"function": {"name": "g"}}])");
  EXPECT_EQ(calls_text(ToolSyntax::pythonic, calls), "[f(a=\"x\", b=[1]), g()]");
  EXPECT_EQ(parse(ToolSyntax::hermes, {calls_text(ToolSyntax::hermes, calls)}),
            (Found{"", {{"f", "{\"a\":\"x\",\"b\":[1]}"}, {"g", "{}"}}}));
}

TEST(ToolSyntax, is_detected_from_the_template) {
  EXPECT_EQ(detect_tool_syntax("... <tool_call> ..."), ToolSyntax::hermes);
  EXPECT_EQ(detect_tool_syntax("{{- \"[TOOL_CALLS][\" }}"), ToolSyntax::mistral_list);
  EXPECT_EQ(detect_tool_syntax("'[TOOL_CALLS]' + name + '[ARGS]'"), ToolSyntax::mistral_args);
  EXPECT_EQ(detect_tool_syntax("<|python_tag|>"), ToolSyntax::llama_json);
  EXPECT_EQ(detect_tool_syntax("<start_of_turn>"), ToolSyntax::pythonic);
  EXPECT_EQ(detect_tool_syntax("<|tool|>"), ToolSyntax::phi);
  EXPECT_EQ(detect_tool_syntax("functools[{"), ToolSyntax::functools);
}

TEST(ToolSyntax, is_detected_from_real_templates) {
  const std::filesystem::path folder =
      std::filesystem::path(KEDGE_SOURCE_DIR) / ".." / "shared" / "data" / "models" / "templates";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "SKIPPED: the templates of real models are not beside the checkout";
  const std::pair<const char*, ToolSyntax> kExpected[] = {{"llama-3.1-8b-instruct", ToolSyntax::llama_json},
                                                          {"llama-3.3-70b-instruct", ToolSyntax::llama_json},
                                                          {"mistral-nemo-2407", ToolSyntax::mistral_list},
                                                          {"mistral-v3-with-system", ToolSyntax::mistral_list},
                                                          {"mistral-small-3.2", ToolSyntax::mistral_args},
                                                          {"ministral-3-14b-reasoning", ToolSyntax::mistral_args},
                                                          {"phi-4-mini-tools", ToolSyntax::functools},
                                                          {"phi-4-mini", ToolSyntax::phi},
                                                          {"qwen2.5-7b-instruct", ToolSyntax::hermes},
                                                          {"qwen3-0.6b", ToolSyntax::hermes},
                                                          {"gemma-3-it", ToolSyntax::pythonic},
                                                          {"gemma-2-2b-it", ToolSyntax::pythonic}};
  for (const auto& [name, expected] : kExpected) {
    const Result<std::string> source = read_file(folder / (std::string(name) + ".jinja"), size_t{1} << 20);
    ASSERT_TRUE(source.ok()) << name;
    EXPECT_EQ(detect_tool_syntax(source.value()), expected) << name;
  }
}

}  // namespace
}  // namespace kedge::serve
