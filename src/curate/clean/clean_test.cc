// Goal: each change of a text is the peer's own.
// Method: texts of odd forms against what ftfy, NeMo Curator and DataTrove made of them
// (tests/golden/make_clean_text.py); what is our own by hand.
#include "curate/clean/clean.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "curate/clean/modifiers.h"
#include "curate/pipeline/pipeline.h"
#include "curate/pipeline/run.h"
#include "curate/pipeline/step.h"

namespace kedge::curate {
namespace {

/// What the pipeline's step makes of a text.
std::string cleaned(const Json& op, const std::string& text) {
  const Json settings = {{"ops", Json::array({op})}};
  OptionReader options(settings, "clean");
  const auto step = find_operator("clean")->make(options, {});
  EXPECT_TRUE(step.ok()) << step.error().message;
  data::Document document{"1", text, ""};
  if (step.ok()) step.value()->apply(document);
  return document.text;
}

Json settings_of(const std::string& name, const Json& switches) {
  if (name.starts_with("ftfy_")) {
    Json settings = switches[name.substr(5)];
    if (settings.contains("normalization") && settings["normalization"].is_null()) settings["normalization"] = "none";
    return {{"ftfy", settings}};
  }
  if (name == "boilerplate_everywhere") return {{"boilerplate", {{"remove_if_at_top_or_bottom", false}}}};
  if (name == "symbol_lines_marked") return {{"symbol_lines", {{"replace_char", "#"}}}};
  if (name == "remove_lines") return {{"remove_lines", {{"patterns", {"b", "", "use cookies"}}}}};
  if (name == "slice_indices") return {{"slice", {{"left", 2}, {"right", -3}}}};
  if (name == "slice_texts") {
    return {{"slice", {{"left", "a"}, {"right", "e"}, {"include_left", false}, {"include_right", false}}}};
  }
  if (name == "slice_kept") return {{"slice", {{"left", "a"}, {"right", "e"}, {"strip", false}}}};
  return name;
}

TEST(Clean, every_op_makes_what_its_peer_makes) {
  const auto golden = read_json_file(KEDGE_SOURCE_DIR "/tests/golden/clean_text.json");
  ASSERT_TRUE(golden.ok()) << golden.error().message;
  const Json& texts = golden.value()["texts"];
  ASSERT_GT(texts.size(), 150U);
  size_t changes = 0;
  for (const auto& [name, made] : golden.value()["made"].items()) {
    const Json op = settings_of(name, golden.value()["switches"]);
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string text = texts[i].get<std::string>();
      const auto expected = made.find(std::to_string(i));
      changes += expected == made.end() ? 0 : 1;
      EXPECT_EQ(cleaned(op, text), expected == made.end() ? text : expected->get<std::string>())
          << name << " of " << texts[i];
    }
  }
  EXPECT_GT(changes, 1500U);
}

TEST(Clean, blanks_become_one_kind) {
  EXPECT_EQ(with_plain_blanks(U"\n a\tb\u00A0c\u3000d\ne\u200B "), U"a b c d\ne ");
  EXPECT_EQ(tidy_newlines(U"a \t\r\n\r\n\r\n\r\nb\rc"), U"a\n\nb\nc");
}

TEST(Clean, lines_are_kept_as_c4_keeps_them) {
  EXPECT_EQ(cleaned("c4_lines",
                    "We have it [12] here.\nToo short.\nNo mark at the end\nDots at the end...\n"
                    "Please turn javascript on.\nOur privacy policy has changed.\n \"Kept too, yes\" "),
            "We have it  here.\n\"Kept too, yes\"");
  EXPECT_EQ(cleaned({{"c4_lines", {{"filter_no_terminal_punct", false}, {"min_words_per_line", 2}}}},
                    "Too short.\nNo mark at the end\nOne"),
            "Too short.\nNo mark at the end");
}

TEST(Clean, wrong_ops_are_named) {
  EXPECT_NE(make_cleaner("nfc,magic").error().message.find("found 'magic', expected mojibake"), std::string::npos);
  for (const char* yaml : {"steps: [{clean: {ops: [magic]}}]", "steps: [{clean: {ops: [{slice: {lef: 1}}]}}]",
                           "steps: [{clean: {ops: [remove_lines]}}]", "steps: [{clean: {ops: [{ftfy: {x: 1}}]}}]",
                           "steps: [{clean: {ops: [{remove_lines: {}}]}}]", "steps: [{clean: {ops: [3]}}]"}) {
    const auto pipeline = parse_pipeline(yaml, "p");
    ASSERT_TRUE(pipeline.ok());
    EXPECT_FALSE(make_stages(pipeline.value()).ok()) << yaml;
  }
}

}  // namespace
}  // namespace kedge::curate
