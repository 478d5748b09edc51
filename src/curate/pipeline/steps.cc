#include "curate/pipeline/steps.h"

#include "curate/pipeline/dedup_step.h"
#include "data/json_text.h"

namespace kedge::curate {

std::string json_text(std::string_view text) {
  std::string json;
  data::append_json_string(json, text);
  return json;
}

std::string json_number(double value) {
  std::string json;
  data::append_json_number(json, value);
  return json;
}

void replace_text(data::Document& document, std::string_view text, Outcome& outcome) {
  outcome.changed = text != document.text;
  if (outcome.changed) document.text.assign(text);
}

const std::vector<OperatorInfo>& operators() {
  static const std::vector<OperatorInfo> all = {
      extract_operator(), clean_operator(),         language_operator(), script_operator(),        code_operator(),
      filter_operator(),  per_extension_operator(), classify_operator(), perplexity_operator(),    unigrams_operator(),
      score_operator(),   pii_operator(),           dedup_operator(),    decontaminate_operator(), tokens_operator(),
      embed_operator(),   sample_operator(),
  };
  return all;
}

Json describe_operators() {
  Json all = Json::array();
  for (const OperatorInfo& info : operators()) {
    Json options = Json::array();
    for (const auto& option : info.options) {
      options.push_back({{"name", option.name}, {"default", option.fallback}, {"meaning", option.meaning}});
    }
    all.push_back(
        {{"name", info.name}, {"summary", info.summary}, {"reference", info.reference}, {"options", options}});
  }
  return all;
}

const OperatorInfo* find_operator(std::string_view name) {
  for (const OperatorInfo& info : operators()) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

}  // namespace kedge::curate
