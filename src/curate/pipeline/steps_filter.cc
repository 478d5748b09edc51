// The step with the peers' heuristic filters.
#include <fmt/format.h>

#include <algorithm>

#include "curate/filters/nemo_limits.h"
#include "curate/filters/profiles.h"
#include "curate/pipeline/annotation.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

/// A filter of NeMo's with the limits of this pipeline.
struct ActiveLimit {
  const NemoLimit* limit;
  double least, most;
};

class NemoStep final : public Step {
 public:
  NemoStep(std::string label, std::vector<ActiveLimit> limits, bool write_scores)
      : Step(std::move(label)), op_(make_nemo_profile()), limits_(std::move(limits)), write_scores_(write_scores) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Annotation said(*op_, document);
    const simdjson::dom::element scores = said.root()["scores"];
    Outcome outcome;
    outcome.details = said.json();
    if (write_scores_) outcome.members.emplace_back("scores", std::string(simdjson::minify(scores)));
    for (const ActiveLimit& active : limits_) {
      double value = 0;
      const bool defined = scores[active.limit->name].at(0).get(value) == simdjson::SUCCESS;
      if (defined) outcome.values.emplace_back(active.limit->name, value);
      if (outcome.reason.empty() && !(defined && active.least <= value && value <= active.most)) {
        outcome.reason = active.limit->name;
      }
    }
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    std::vector<ValueRange> ranges;
    for (const ActiveLimit& active : limits_) {
      ranges.push_back({active.limit->name, active.limit->low, active.limit->high, active.least, active.most});
    }
    return ranges;
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (!write_scores_) return {};
    return {{"scores", MemberInfo::Kind::json}};
  }

 private:
  std::unique_ptr<Operator> op_;
  std::vector<ActiveLimit> limits_;
  bool write_scores_;
};

Result<std::vector<ActiveLimit>> read_limits(OptionReader& options) {
  std::vector<ActiveLimit> active;
  const std::vector<std::string> only = options.texts("only");
  for (const std::string& name : only) {
    if (find_nemo_limit(name) == nullptr) options.fail("only", name, "names of NeMo's filters (`kedge curate ops`)");
  }
  if (only.empty()) {
    for (const NemoLimit& limit : nemo_limits()) active.push_back({&limit, limit.least, limit.most});
  } else {
    for (const std::string& name : only) {
      if (const NemoLimit* limit = find_nemo_limit(name)) active.push_back({limit, limit->least, limit->most});
    }
  }
  const Json* const limits = options.value("limits");
  if (limits == nullptr) return active;
  if (!limits->is_object()) {
    options.fail("limits", *limits, "names of filters, each with min or max");
    return active;
  }
  for (const auto& [name, value] : limits->items()) {
    const auto found =
        std::find_if(active.begin(), active.end(), [&](const ActiveLimit& a) { return a.limit->name == name; });
    if (found == active.end()) {
      options.fail("limits", name, "a filter that is in use");
      continue;
    }
    OptionReader reader(value, options.where() + ".limits." + name);
    found->least = reader.number("min", found->least, -1e300, 1e300);
    found->most = reader.number("max", found->most, -1e300, 1e300);
    KEDGE_TRY(reader.finish());
  }
  return active;
}

/// DataTrove's filters, or NeMo's for code: they decide themselves.
class ProfileStep final : public Step {
 public:
  ProfileStep(std::string label, std::unique_ptr<Operator> op, bool code)
      : Step(std::move(label)), op_(std::move(op)), code_(code) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Annotation said(*op_, document);
    Outcome outcome;
    outcome.details = said.json();
    outcome.reason = code_ ? first_dropping(said) : std::string(said.text("reason"));
    outcome.keep = outcome.reason.empty();
    return outcome;
  }

 private:
  static std::string first_dropping(const Annotation& said) {
    simdjson::dom::object scores;
    if (said.root()["code"].get(scores) != simdjson::SUCCESS) return {};
    for (const auto& [name, score] : scores) {
      bool keep = true;
      if (score.at(1).get(keep) == simdjson::SUCCESS && !keep) return std::string(name);
    }
    return {};
  }

  std::unique_ptr<Operator> op_;
  bool code_;
};

/// Dolma's taggers, which say and drop nothing.
class DolmaStep final : public Step {
 public:
  explicit DolmaStep(std::unique_ptr<Operator> op) : Step("filter dolma"), op_(std::move(op)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Annotation said(*op_, document);
    Outcome outcome;
    outcome.details = said.json();
    std::string taggers;
    for (const char* name : {"gopher_v1", "gopher_v2_lines", "c4"}) {
      simdjson::dom::element tagger;
      if (said.root()[name].get(tagger) != simdjson::SUCCESS) continue;
      taggers += fmt::format("{}\"{}\":{}", taggers.empty() ? "" : ",", name, std::string(simdjson::minify(tagger)));
    }
    outcome.members.emplace_back("dolma", "{" + taggers + "}");
    return outcome;
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override { return {{"dolma", MemberInfo::Kind::json}}; }

 private:
  std::unique_ptr<Operator> op_;
};

MadeStep make_filter(OptionReader& options, const Folder& folder) {
  const std::string profile =
      options.choice("profile", "nemo", {"nemo", "nemo-code", "datatrove", "dolma", "data-juicer"});
  if (profile == "data-juicer") return make_juicer_filter(options, folder);
  const std::string label = "filter " + profile;
  if (profile == "nemo") {
    KEDGE_ASSIGN(auto limits, read_limits(options));
    const bool write_scores = options.flag("scores", false);
    KEDGE_TRY(options.finish());
    return std::unique_ptr<Step>(std::make_unique<NemoStep>(label, std::move(limits), write_scores));
  }
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto op, make_profile(profile));
  if (profile == "dolma") return std::unique_ptr<Step>(std::make_unique<DolmaStep>(std::move(op)));
  return std::unique_ptr<Step>(std::make_unique<ProfileStep>(label, std::move(op), profile == "nemo-code"));
}

}  // namespace

OperatorInfo filter_operator() {
  return {
      "filter",
      "a peer's heuristic filters, with that peer's own numbers",
      "NeMo Curator 1.4; DataTrove 0.10 (Gopher, C4, FineWeb); Dolma 1.0 (Gopher, C4); data-juicer 1.6",
      {{"profile", "nemo",
        "nemo, nemo-code, datatrove, data-juicer, or dolma, whose taggers drop nothing and are written as `dolma`"},
       {"only", "", "nemo: these filters, in this order"},
       {"limits", "",
        "nemo: by filter's name, min or max in place of NeMo's; data-juicer: those of alnum_ratio, avg_line_length, "
        "char_rep_ratio, flagged_words_ratio, max_line_length, num_words, special_char_ratio, stopwords_ratio, "
        "text_len, "
        "word_rep_ratio that count, each with min or max"},
       {"rep_len", "10", "data-juicer: of char_rep_ratio's runs, in characters, and word_rep_ratio's, in words"},
       {"stopwords_dir", "", "data-juicer: a folder with stopwords.json, words by language, for stopwords_ratio"},
       {"flagged_words_dir", "", "data-juicer: likewise flagged_words.json, for flagged_words_ratio"},
       {"lang", "en", "data-juicer: of these lists; all: every language's"},
       {"use_words_aug", "false", "data-juicer: groups of words are looked up in these lists too"},
       {"words_aug_group_sizes", "[2]", "data-juicer: how many words are a group"},
       {"words_aug_join_char", "", "data-juicer: what stands between them"},
       {"scores", "false", "nemo: write all scores beside the text"}},
      make_filter};
}

}  // namespace kedge::curate
