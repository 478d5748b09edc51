// The steps that change a document's text.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "curate/clean/clean.h"
#include "curate/clean/modifiers.h"
#include "curate/clean/mojibake.h"
#include "curate/filters/c4_lines.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

class CleanStep final : public Step {
 public:
  CleanStep(std::string label, std::vector<TextChange> ops) : Step(std::move(label)), ops_(std::move(ops)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    if (const auto changed = changed_text(ops_, document.text)) replace_text(document, *changed, outcome);
    if (outcome.changed) outcome.labels.emplace_back("changed");
    return outcome;
  }

 private:
  std::vector<TextChange> ops_;
};

std::optional<NormalForm> form_of(const std::string& name) {
  if (name == "NFC") return NormalForm::nfc;
  if (name == "NFD") return NormalForm::nfd;
  if (name == "NFKC") return NormalForm::nfkc;
  if (name == "NFKD") return NormalForm::nfkd;
  return std::nullopt;
}

/// ftfy's own names and defaults.
TextOp make_ftfy(OptionReader& options) {
  Repairs repairs;
  const Json* const references = options.value("unescape_html");
  if (references != nullptr && references->is_boolean()) {
    repairs.references = references->get<bool>() ? Repairs::References::always : Repairs::References::never;
  } else if (references != nullptr && *references != "auto") {
    options.fail("unescape_html", *references, "auto, true or false");
  }
  repairs.encoding = options.flag("fix_encoding", true);
  repairs.lost_a0 = options.flag("restore_byte_a0", true);
  repairs.lossy = options.flag("replace_lossy_sequences", true);
  repairs.embedded = options.flag("decode_inconsistent_utf8", true);
  repairs.c1_controls = options.flag("fix_c1_controls", true);
  repairs.ligatures = options.flag("fix_latin_ligatures", true);
  repairs.widths = options.flag("fix_character_width", true);
  repairs.quotes = options.flag("uncurl_quotes", true);
  repairs.line_breaks = options.flag("fix_line_breaks", true);
  repairs.terminal_codes = options.flag("remove_terminal_escapes", true);
  repairs.controls = options.flag("remove_control_chars", true);
  repairs.form = form_of(options.choice("normalization", "NFC", {"NFC", "NFD", "NFKC", "NFKD", "none"}));
  return [repairs](CodeView text) { return repair_text(text, repairs); };
}

TextOp make_c4_lines(OptionReader& options) {
  C4LineRules rules;
  rules.citations = options.flag("remove_citations", rules.citations);
  rules.terminal = options.flag("filter_no_terminal_punct", rules.terminal);
  rules.javascript = options.flag("filter_javascript", rules.javascript);
  rules.policies = options.flag("filter_policy", rules.policies);
  rules.words_min = static_cast<size_t>(options.whole("min_words_per_line", 3, 0, INT32_MAX));
  rules.word_characters_max = static_cast<size_t>(options.whole("max_word_length", 1000, 1, INT32_MAX));
  return [rules](CodeView text) { return keep_c4_lines(text, rules); };
}

Slice::End read_end(OptionReader& options, const char* name, Slice::End fallback) {
  const Json* const found = options.value(name);
  if (found == nullptr) return fallback;
  if (found->is_number_integer()) return found->get<int64_t>();
  if (found->is_string()) return to_codes(found->get<std::string>());
  options.fail(name, *found, "a whole number or text");
  return fallback;
}

TextOp make_slice(OptionReader& options) {
  Slice slice;
  slice.left = read_end(options, "left", slice.left);
  slice.right = read_end(options, "right", slice.right);
  slice.include_left = options.flag("include_left", true);
  slice.include_right = options.flag("include_right", true);
  slice.strip = options.flag("strip", true);
  return [slice](CodeView text) { return slice_of(text, slice); };
}

TextOp make_remove_lines(OptionReader& options) {
  std::vector<std::u32string> lines;
  for (const std::string& line : options.texts("patterns")) lines.push_back(to_codes(line));
  if (lines.empty()) options.fail("patterns", nullptr, "whole lines to remove");
  return [lines](CodeView text) { return without_lines(text, lines); };
}

TextOp make_symbol_lines(OptionReader& options) {
  const std::u32string in_place = to_codes(options.text("replace_char", ""));
  return [in_place](CodeView text) { return without_symbol_lines(text, in_place); };
}

TextOp make_boilerplate(OptionReader& options) {
  const bool everywhere = !options.flag("remove_if_at_top_or_bottom", true);
  return [everywhere](CodeView text) { return without_boilerplate(text, everywhere); };
}

TextOp make_replace(OptionReader& options) {
  const std::string regex = options.text("pattern", ""), in_place = options.text("with", "");
  auto compiled = Pattern::compile(regex, Pattern::Unit::characters);
  if (regex.empty() || !compiled.ok()) {
    options.fail("pattern", regex, compiled.ok() ? "a regular expression" : compiled.error().message);
    return {};
  }
  const auto pattern = std::make_shared<const Pattern>(std::move(compiled.value()));
  return [pattern, in_place](CodeView text) { return with_replaced(text, *pattern, in_place); };
}

struct MadeTextOp {
  std::string_view name;
  TextOp (*make)(OptionReader& options);
};

constexpr MadeTextOp kWithSettings[] = {{"ftfy", make_ftfy},
                                        {"slice", make_slice},
                                        {"remove_lines", make_remove_lines},
                                        {"replace", make_replace},
                                        {"symbol_lines", make_symbol_lines},
                                        {"boilerplate", make_boilerplate},
                                        {"c4_lines", make_c4_lines}};

/// A name, or one name with settings.
Result<TextChange> read_op(const Json& json, OptionReader& options, std::vector<std::string>& names) {
  if (json.is_string()) {
    names.push_back(json.get<std::string>());
    if (const NamedTextOp* op = find_text_op(names.back())) return op->op;
  }
  if (json.is_object() && json.size() == 1) {
    names.push_back(json.begin().key());
    for (const MadeTextOp& op : kWithSettings) {
      if (op.name != names.back()) continue;
      OptionReader settings(json.begin().value(), options.where() + ".ops." + names.back());
      TextChange made{op.make(settings)};
      KEDGE_TRY(settings.finish());
      return made;
    }
  }
  options.fail(
      "ops", json,
      text_op_names() + "; with settings ftfy, slice, remove_lines, replace, symbol_lines, boilerplate, c4_lines");
  KEDGE_TRY(options.finish());
  return TextChange();
}

MadeStep make_clean(OptionReader& options, const Folder&) {
  const Json* const found = options.value("ops");
  Json list = found == nullptr ? Json::array({"mojibake"}) : *found;
  if (!list.is_array()) list = Json::array({list});
  std::vector<TextChange> ops;
  std::vector<std::string> names;
  for (const Json& item : list) {
    KEDGE_ASSIGN(TextChange op, read_op(item, options, names));
    ops.push_back(std::move(op));
  }
  KEDGE_TRY(options.finish());
  return std::unique_ptr<Step>(
      std::make_unique<CleanStep>(fmt::format("clean {}", fmt::join(names, ", ")), std::move(ops)));
}

std::string describe_ops() {
  std::string text = "in this order; each a name, or {name: {settings}}: ";
  for (const NamedTextOp& op : text_ops()) text += fmt::format("{}: {}; ", op.name, op.meaning);
  return text +
         "slice: {left, right, include_left, include_right, strip}, from and to an index or a text; remove_lines: "
         "{patterns}, lines that equal one; replace: {pattern, with}, a regular "
         "expression (PCRE2). Settings are the peers': ftfy's, c4_lines DataTrove's, boilerplate NeMo's";
}

}  // namespace

OperatorInfo clean_operator() {
  static const std::string ops = describe_ops();
  return {"clean",
          "repaired texts, op by op",
          "ftfy 6.3; NeMo Curator 1.4's modifiers; DataTrove 0.10; Unicode annex 15",
          {{"ops", "[mojibake]", ops}},
          make_clean};
}

}  // namespace kedge::curate
