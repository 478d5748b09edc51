// Any text through every operator: each gives one line of JSON, and spans that lie in the text.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "core/json.h"
#include "curate/clean/clean.h"
#include "curate/code_text.h"
#include "curate/decontaminate/decontaminate.h"
#include "curate/dedup/shingles.h"
#include "curate/filters/profiles.h"
#include "curate/language/code_language.h"
#include "curate/language/identify.h"
#include "curate/normal_forms.h"
#include "curate/pii/redact.h"
#include "text/unicode/utf8.h"

namespace {

using namespace kedge::curate;

kedge::Json line_of(const Operator& op, const kedge::data::Document& document) {
  std::string line;
  op.annotate(document, line);
  auto json = kedge::parse_json(line, "line");
  KEDGE_CHECK(json.ok());
  return json.value();
}

std::vector<std::unique_ptr<Operator>> make_operators() {
  std::vector<std::unique_ptr<Operator>> operators;
  for (const char* profile : {"nemo", "nemo-code", "datatrove", "dolma"}) {
    operators.push_back(make_profile(profile).value());
  }
  for (const NamedTextOp& op : text_ops()) operators.push_back(make_cleaner(op.name).value());
  operators.push_back(make_language_identifier(built_in_language_model()));
  operators.push_back(make_code_identifier());
  operators.push_back(make_pii_operator({.action = PiiAction::mask}));
  std::vector<EvaluationItem> items = {{"1", place_words(U"one two three four five six seven eight nine ten").words}};
  operators.push_back(make_decontamination(std::move(items), DecontaminationMode::fuzzy));
  return operators;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* operators = new std::vector<std::unique_ptr<Operator>>(make_operators());
  kedge::data::Document document{"1", "", ""};
  kedge::text::append_lossy(document.text, {reinterpret_cast<const char*>(data), size});
  const size_t characters = to_codes(document.text).size();
  for (const auto& op : *operators) {
    const kedge::Json line = line_of(*op, document);
    KEDGE_CHECK(line["id"] == 1);
    for (const char* key : {"spans", "matches"}) {
      if (!line.contains(key)) continue;
      for (const kedge::Json& span : line[key]) {
        KEDGE_CHECK(span["start"].get<size_t>() < span["end"].get<size_t>());
        KEDGE_CHECK(span["end"].get<size_t>() <= characters);
      }
    }
  }
  const std::u32string codes = to_codes(document.text);
  KEDGE_CHECK(!word_shingles(codes).empty() && !datatrove_shingles(codes).empty() &&
              !character_shingles(codes).empty());
  KEDGE_CHECK(kedge::text::is_valid_utf8(comparable_text(document.text)));
  return 0;
}
