#include "curate/clean/clean.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "curate/clean/characters.h"
#include "curate/clean/html_text.h"
#include "curate/clean/modifiers.h"
#include "curate/clean/mojibake.h"
#include "curate/filters/c4_lines.h"
#include "curate/filters/score.h"
#include "curate/normal_forms.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

class Cleaner final : public Operator {
 public:
  explicit Cleaner(std::vector<TextChange> ops) : ops_(std::move(ops)) {}

  void annotate(const data::Document& document, std::string& line) const override {
    const std::optional<std::string> changed = changed_text(ops_, document.text);
    open_line(line, document.id_json);
    append_key(line, "text");
    data::append_json_string(line, changed ? *changed : document.text);
    append_key(line, "changed");
    append_bool(line, changed.has_value());
    line += '}';
  }

 private:
  std::vector<TextChange> ops_;
};

TextOp normalizer(NormalForm form) {
  return [form](CodeView text) { return to_normal_form(text, form); };
}

/// ftfy.fix_text as it comes: everything on, NFC.
Repairs ftfy_defaults() {
  Repairs repairs;
  repairs.ligatures = repairs.widths = repairs.quotes = repairs.line_breaks = true;
  repairs.form = NormalForm::nfc;
  return repairs;
}

}  // namespace

std::optional<std::string> changed_text(std::span<const TextChange> changes, std::string_view text) {
  const auto leaves = [&](const TextChange& op) { return op.leaves != nullptr && op.leaves(text); };
  if (std::ranges::all_of(changes, leaves)) return std::nullopt;
  const std::u32string codes = to_codes(text);
  std::u32string changed = changes.front().change(codes);
  for (const TextChange& op : changes.subspan(1)) changed = op.change(changed);
  if (changed == codes) return std::nullopt;
  return to_utf8(changed);
}

const std::vector<NamedTextOp>& text_ops() {
  static const auto* all = new std::vector<NamedTextOp>{
      // lives as long as the program
      {"mojibake", "wrong decodings and character references", {repair_mojibake, needs_no_repair}},
      {"ftfy", "ftfy with all its switches on, and NFC",
       [](CodeView text) { return repair_text(text, ftfy_defaults()); }},
      {"nfc", "Unicode's composed form", normalizer(NormalForm::nfc)},
      {"nfd", "its decomposed form", normalizer(NormalForm::nfd)},
      {"nfkc", "composed, compatible characters made one", normalizer(NormalForm::nfkc)},
      {"nfkd", "decomposed, compatible characters made one", normalizer(NormalForm::nfkd)},
      {"newlines", "one line end, at most two in a row, no blanks before them", tidy_newlines},
      {"newline_runs", "three and more newlines become two", shorten_newlines},
      {"line_breaks", "every line end becomes a newline", with_unix_lines},
      {"quotes", "straight quotes in place of curly ones", with_straight_quotes},
      {"quotation", "without the quotes around the whole text", without_quotation},
      {"ligatures", "letters in place of Latin ligatures", without_ligatures},
      {"widths", "full and half widths become the usual ones", in_usual_widths},
      {"control_characters", "without what shows nothing", without_controls},
      {"terminal_codes", "without colour codes", without_terminal_codes},
      {"white_space", "trimmed, and one kind of blank", with_plain_blanks},
      {"urls", "without addresses", without_urls},
      {"markdown", "without Markdown's marks", without_markdown},
      {"boilerplate", "without paragraphs of policies at one end",
       [](CodeView text) { return without_boilerplate(text, false); }},
      {"html", "all text of a page, list items marked", html_text},
      {"copyright", "without a notice at the beginning of a source", without_copyright},
      {"symbol_lines", "without lines of symbols alone", [](CodeView text) { return without_symbol_lines(text, U""); }},
      {"c4_lines", "lines that C4 keeps", [](CodeView text) { return keep_c4_lines(text, {}); }},
  };
  return *all;
}

const NamedTextOp* find_text_op(std::string_view name) {
  for (const NamedTextOp& op : text_ops()) {
    if (op.name == name) return &op;
  }
  return nullptr;
}

std::string text_op_names() {
  std::string names;
  for (const NamedTextOp& op : text_ops()) names += (names.empty() ? "" : ", ") + std::string(op.name);
  return names;
}

Result<std::unique_ptr<Operator>> make_cleaner(std::string_view ops) {
  std::vector<TextChange> chosen;
  while (true) {
    const size_t comma = std::min(ops.find(','), ops.size());
    const NamedTextOp* op = find_text_op(ops.substr(0, comma));
    if (op == nullptr) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("--ops: found '{}', expected {}", ops.substr(0, comma), text_op_names())};
    }
    chosen.push_back(op->op);
    if (comma == ops.size()) break;
    ops.remove_prefix(comma + 1);
  }
  return std::unique_ptr<Operator>(std::make_unique<Cleaner>(std::move(chosen)));
}

}  // namespace kedge::curate
