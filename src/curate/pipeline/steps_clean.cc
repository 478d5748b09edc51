// The steps that change a document's text.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "curate/clean/clean.h"
#include "curate/normal_forms.h"
#include "curate/pipeline/annotation.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

/// Runs of three and more newlines become two, line ends of other systems one; what a line ends with in white space
/// goes.
std::string tidy_newlines(std::string_view text) {
  std::string out;
  size_t newlines = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\r') {
      if (i + 1 < text.size() && text[i + 1] == '\n') continue;
      c = '\n';
    }
    if (c != '\n') {
      newlines = 0;
      out += c;
      continue;
    }
    while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
    if (++newlines <= 2) out += c;
  }
  return out;
}

class CleanStep final : public Step {
 public:
  CleanStep(std::string label, std::vector<std::string> ops, std::unique_ptr<Operator> mojibake)
      : Step(std::move(label)), ops_(std::move(ops)), mojibake_(std::move(mojibake)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const std::string before = document.text;
    for (const std::string& op : ops_) {
      if (op == "mojibake") document.text = std::string(Annotation(*mojibake_, document).text("text"));
      if (op == "nfc") document.text = to_utf8(to_nfc(to_codes(document.text)));
      if (op == "newlines") document.text = tidy_newlines(document.text);
    }
    Outcome outcome;
    outcome.changed = document.text != before;
    if (outcome.changed) outcome.labels.emplace_back("changed");
    return outcome;
  }

 private:
  std::vector<std::string> ops_;
  std::unique_ptr<Operator> mojibake_;
};

MadeStep make_clean(OptionReader& options, const Folder&) {
  std::vector<std::string> ops = options.texts("ops");
  if (ops.empty()) ops = {"mojibake"};
  for (const std::string& op : ops) {
    if (op != "mojibake" && op != "nfc" && op != "newlines") options.fail("ops", op, "mojibake, nfc, newlines");
  }
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto mojibake, make_cleaner("mojibake"));
  return std::unique_ptr<Step>(
      std::make_unique<CleanStep>(fmt::format("clean {}", fmt::join(ops, ", ")), ops, std::move(mojibake)));
}

}  // namespace

OperatorInfo clean_operator() {
  return {
      "clean",
      "repaired texts, op by op",
      "ftfy; Unicode annex 15 (NFC)",
      {{"ops", "[mojibake]",
        "mojibake: wrong decodings and character references; nfc: Unicode's composed form; newlines: one line end, at "
        "most two in a row"}},
      make_clean};
}

}  // namespace kedge::curate
