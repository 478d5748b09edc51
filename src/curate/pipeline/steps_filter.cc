// The step with the peers' heuristic filters.
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

MadeStep make_filter(OptionReader& options, const Folder&) {
  const std::string profile = options.choice("profile", "nemo", {"nemo", "nemo-code", "datatrove"});
  const std::string label = "filter " + profile;
  if (profile == "nemo") {
    KEDGE_ASSIGN(auto limits, read_limits(options));
    const bool write_scores = options.flag("scores", false);
    KEDGE_TRY(options.finish());
    return std::unique_ptr<Step>(std::make_unique<NemoStep>(label, std::move(limits), write_scores));
  }
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto op, make_profile(profile));
  return std::unique_ptr<Step>(std::make_unique<ProfileStep>(label, std::move(op), profile == "nemo-code"));
}

}  // namespace

OperatorInfo filter_operator() {
  return {"filter",
          "a peer's heuristic filters, with that peer's own numbers",
          "NeMo Curator 1.4; DataTrove 0.10 (Gopher, C4, FineWeb)",
          {{"profile", "nemo", "nemo, nemo-code or datatrove"},
           {"only", "", "nemo: these filters, in this order"},
           {"limits", "", "nemo: by filter's name, min or max in place of NeMo's"},
           {"scores", "false", "nemo: write all scores beside the text"}},
          make_filter};
}

}  // namespace kedge::curate
