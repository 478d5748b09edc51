// The step that asks a classifier.
#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "curate/language/classifier.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

/// What fastText reads as one line, as NeMo Curator hands it over.
std::string one_line_of(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  constexpr std::string_view kPrefix = "__label__";
  for (size_t at = line.find(kPrefix); at != std::string::npos; at = line.find(kPrefix, at)) {
    line.replace(at, kPrefix.size(), " ");
  }
  return line;
}

class ClassifyStep final : public Step {
 public:
  struct Settings {
    std::optional<size_t> label;    // whose probability counts; none: the likeliest one's
    std::vector<std::string> keep;  // labels that may be the likeliest; empty: all
    double least = 0, most = 1;
    bool pareto = false;
    double alpha = 3;
    uint64_t seed = 42;
    std::string member;  // empty: none
  };
  ClassifyStep(std::string label, std::unique_ptr<TextClassifier> model, Settings settings)
      : Step(std::move(label)), model_(std::move(model)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const std::string line = one_line_of(document.text);
    const Language best = model_->identify(line);
    const double score = score_of(line, best);
    Outcome outcome;
    outcome.labels.push_back(best.code);
    outcome.values.emplace_back("class_score", score);
    outcome.details = fmt::format(R"({{"label":{},"score":{}}})", json_text(best.code), json_number(score));
    if (!settings_.member.empty()) {
      outcome.members.emplace_back(settings_.member, json_text(best.code));
      outcome.members.emplace_back(settings_.member + "_score", json_number(score));
    }
    const auto& keep = settings_.keep;
    if (!keep.empty() && std::find(keep.begin(), keep.end(), best.code) == keep.end()) {
      outcome.reason = "class " + best.code;
    } else if (settings_.pareto ? !is_drawn(document, score) : score < settings_.least) {
      outcome.reason = settings_.pareto ? "not drawn" : "score below the least";
    } else if (score > settings_.most) {
      outcome.reason = "score above the most";
    }
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"class_score", 0, 1, settings_.pareto ? -1e300 : settings_.least, settings_.most}};
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (settings_.member.empty()) return {};
    return {{settings_.member, MemberInfo::Kind::text}, {settings_.member + "_score", MemberInfo::Kind::number}};
  }

 private:
  /// With `pareto` as NeMo has it: of two labels the other's is 1 less this one's.
  [[nodiscard]] double score_of(const std::string& line, const Language& best) const {
    if (!settings_.label) return best.score;
    if (!settings_.pareto) return model_->score_of(line, *settings_.label);
    return best.code == model_->labels()[*settings_.label] ? best.score : 1 - best.score;
  }

  /// NeMo's rule: a number drawn from Pareto's (Lomax') distribution is larger than 1 - score. NeMo draws them in the
  /// order in which a worker meets documents; here it follows from the id, so that it is the same on every machine.
  [[nodiscard]] bool is_drawn(const data::Document& document, double score) const {
    const uint64_t hash = XXH3_64bits_withSeed(document.id_json.data(), document.id_json.size(), settings_.seed);
    const double uniform = static_cast<double>(hash >> 11) * 0x1p-53;
    return std::expm1(-std::log1p(-uniform) / settings_.alpha) > 1 - score;
  }

  std::unique_ptr<TextClassifier> model_;
  Settings settings_;
};

Result<std::unique_ptr<TextClassifier>> open_model(OptionReader& options, const Folder& folder,
                                                   const std::string& file) {
  if (file.empty()) {
    return Error{ErrorKind::invalid_input, options.where() + ".model: not there, expected a fastText model's file"};
  }
  return open_classifier(folder / file);
}

MadeStep make_classify(OptionReader& options, const Folder& folder) {
  ClassifyStep::Settings settings;
  const std::string file = options.text("model", "");
  if (std::filesystem::is_directory(folder / file) && !file.empty()) return make_head_classify(options, folder, file);
  settings.pareto = options.choice("rule", "threshold", {"threshold", "pareto"}) == "pareto";
  std::string label = options.text("label", settings.pareto ? "hq" : "");
  settings.keep = options.texts("keep");
  settings.least = options.number("min", 0, 0, 1);
  settings.most = options.number("max", 1, 0, 1);
  settings.alpha = options.number("alpha", 3, 1e-6, 1e6);
  settings.seed = static_cast<uint64_t>(options.whole("seed", 42, 0, INT64_MAX));
  settings.member = options.text("member", "class");
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto model, open_model(options, folder, file));
  if (label.starts_with("__label__")) label.erase(0, 9);
  const auto& labels = model->labels();
  const auto found = std::find(labels.begin(), labels.end(), label);
  if (!label.empty() && found == labels.end()) {
    options.fail("label", label, fmt::format("one of the {} labels of {}", labels.size(), file));
    KEDGE_TRY(options.finish());
  }
  if (!label.empty()) settings.label = static_cast<size_t>(found - labels.begin());
  return std::unique_ptr<Step>(std::make_unique<ClassifyStep>(
      label.empty() ? std::string("classify") : "classify " + label, std::move(model), std::move(settings)));
}

}  // namespace

OperatorInfo classify_operator() {
  return {"classify",
          "what a classifier says of a text, written beside it; drops by label or probability",
          "fastText (Joulin et al. 2017); pareto: NeMo Curator 1.4's FastTextQualityFilter, after Brown et al. 2020; "
          "heads: "
          "its classifiers' filter_by",
          {{"model", "",
            "a fastText model (.bin, .ftz), such as `kedge curate train-classifier` makes, or the folder of an encoder "
            "with a classification head"},
           {"label", "", "whose probability counts; without it the likeliest label's; pareto: hq"},
           {"keep", "",
            "labels to keep where they are the likeliest (heads of which several may hold: where one of them has .5 "
            "or more); all without it"},
           {"min", "0", "drop below this probability"},
           {"max", "1", "and above this one"},
           {"rule", "threshold", "pareto: keep where a number drawn for the id is larger than 1 - probability"},
           {"alpha", "3", "pareto: the distribution's shape"},
           {"seed", "42", "pareto: another one draws others"},
           {"max_chars", "0", "heads: show them this many of the text's first characters; 0: all"},
           {"max_tokens", "0", "heads: and of these this many tokens; 0: as many as they take"},
           {"member", "class", "where it is written, and `..._score`; empty: nowhere"}},
          make_classify};
}

}  // namespace kedge::curate
