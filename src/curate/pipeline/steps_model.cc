// The steps that ask a model: embeddings, and scores of classification heads.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "curate/pipeline/steps.h"
#include "curate/text_model.h"

namespace kedge::curate {
namespace {

Result<std::shared_ptr<const TextModel>> open_named(const OptionReader& options, const Folder& folder,
                                                    const std::string& model) {
  if (!model.empty()) return open_text_model(model, folder);
  return Error{ErrorKind::invalid_input,
               options.where() + ".model: not there, expected a model's folder or .gguf file"};
}

/// A document that the model cannot take goes, and the reason says why.
void refuse(Outcome& outcome, const Error& error) {
  outcome.keep = false;
  outcome.reason = "model: " + error.message;
}

/// How much of a text a head is shown.
struct Beginning {
  int64_t characters_max = 0;  // code points; 0: all
  int64_t tokens_max = 0;      // 0: as many as the model takes

  [[nodiscard]] std::string_view of(std::string_view text) const {
    int64_t characters = 0;
    for (size_t at = 0; characters_max > 0 && at < text.size(); ++at) {
      const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U;
      if (begins && ++characters > characters_max) return text.substr(0, at);
    }
    return text;
  }
};

Beginning read_beginning(OptionReader& options) {
  constexpr int64_t kMost = int64_t{1} << 40;
  Beginning beginning;
  beginning.characters_max = options.whole("max_chars", 0, 0, kMost);
  beginning.tokens_max = options.whole("max_tokens", 0, 0, kMost);
  return beginning;
}

Status check_beginning(OptionReader& options, const Beginning& beginning, const TextModel& model) {
  const size_t most = model.tokens_max();
  if (most > 0 && std::cmp_greater(beginning.tokens_max, most)) {
    options.fail("max_tokens", beginning.tokens_max, fmt::format("at most {}, which the model takes", most));
  }
  if (beginning.tokens_max == 1) options.fail("max_tokens", 1, "2 or more, or 0: as many as the model takes");
  return options.finish();
}

class EmbedStep final : public Step {
 public:
  EmbedStep(std::shared_ptr<const TextModel> model, std::string member)
      : Step("embed"), model_(std::move(model)), member_(std::move(member)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const Result<std::vector<float>> vector = model_->embedding(document.text);
    if (!vector.ok()) {
      refuse(outcome, vector.error());
      return outcome;
    }
    if (!std::ranges::all_of(vector.value(), [](float number) { return std::isfinite(number); })) {
      refuse(outcome, {ErrorKind::corrupt_data, "the embedding is not finite"});
      return outcome;
    }
    std::string json = "[";
    for (const float number : vector.value()) json += fmt::format("{}{}", json.size() > 1 ? "," : "", number);
    outcome.members.emplace_back(member_, json + "]");
    return outcome;
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override { return {{member_, MemberInfo::Kind::json}}; }

 private:
  std::shared_ptr<const TextModel> model_;
  std::string member_;
};

MadeStep make_embed(OptionReader& options, const Folder& folder) {
  const std::string model = options.text("model", "");
  const std::string member = options.text("member", "embedding");
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto opened, open_named(options, folder, model));
  return std::unique_ptr<Step>(std::make_unique<EmbedStep>(std::move(opened), member));
}

class ScoreStep final : public Step {
 public:
  struct Settings {
    double least = -1e300, most = 1e300;
    Beginning beginning;
    std::string member;  // empty: none
  };
  ScoreStep(std::shared_ptr<const TextModel> model, Settings settings)
      : Step("score"), model_(std::move(model)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const Beginning& beginning = settings_.beginning;
    const Result<double> score = model_->score(beginning.of(document.text), static_cast<size_t>(beginning.tokens_max));
    if (!score.ok()) {
      refuse(outcome, score.error());
      return outcome;
    }
    outcome.values.emplace_back("model_score", score.value());
    outcome.details = fmt::format(R"({{"score":{}}})", json_number(score.value()));
    if (!settings_.member.empty()) outcome.members.emplace_back(settings_.member, json_number(score.value()));
    outcome.keep = settings_.least <= score.value() && score.value() <= settings_.most;
    if (!outcome.keep) outcome.reason = score.value() < settings_.least ? "score too low" : "score too high";
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"model_score", -5, 5, settings_.least, settings_.most}};
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (settings_.member.empty()) return {};
    return {{settings_.member, MemberInfo::Kind::number}};
  }

 private:
  std::shared_ptr<const TextModel> model_;
  Settings settings_;
};

MadeStep make_score(OptionReader& options, const Folder& folder) {
  ScoreStep::Settings settings;
  const std::string model = options.text("model", "");
  settings.least = options.number("min", -1e300, -1e300, 1e300);
  settings.most = options.number("max", 1e300, -1e300, 1e300);
  settings.beginning = read_beginning(options);
  settings.member = options.text("member", "score");
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto opened, open_named(options, folder, model));
  KEDGE_TRY(check_beginning(options, settings.beginning, *opened));
  return std::unique_ptr<Step>(std::make_unique<ScoreStep>(std::move(opened), std::move(settings)));
}

/// Several labels: a softmax over them, or a sigmoid of each where any may hold.
class HeadStep final : public Step {
 public:
  struct Settings {
    TextModel::Head head;
    std::optional<size_t> label;    // whose probability counts; none: the likeliest one's
    std::vector<std::string> keep;  // empty: all
    double least = 0, most = 1;
    Beginning beginning;
    std::string member;  // empty: none
  };
  HeadStep(std::string label, std::shared_ptr<const TextModel> model, Settings settings)
      : Step(std::move(label)), model_(std::move(model)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const Beginning& beginning = settings_.beginning;
    const Result<std::vector<float>> logits =
        model_->logits(beginning.of(document.text), static_cast<size_t>(beginning.tokens_max));
    if (!logits.ok()) {
      refuse(outcome, logits.error());
      return outcome;
    }
    const std::vector<double> shares = probabilities_of(logits.value());
    const auto best = static_cast<size_t>(std::ranges::max_element(shares) - shares.begin());
    const double score = shares[settings_.label.value_or(best)];
    const std::vector<std::string> said = labels_of(shares, best);
    outcome.labels = said;
    outcome.values.emplace_back("class_score", score);
    write(outcome, said, score);
    const auto is_kept = [&](const std::string& label) {
      return std::ranges::find(settings_.keep, label) != settings_.keep.end();
    };
    if (!settings_.keep.empty() && std::ranges::none_of(said, is_kept)) {
      outcome.reason = said.empty() ? "no class" : "class " + said.front();
    } else if (score < settings_.least || score > settings_.most) {
      outcome.reason = score < settings_.least ? "score below the least" : "score above the most";
    }
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"class_score", 0, 1, settings_.least, settings_.most}};
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (settings_.member.empty()) return {};
    const auto kind = settings_.head.multi_label ? MemberInfo::Kind::json : MemberInfo::Kind::text;
    return {{settings_.member, kind}, {settings_.member + "_score", MemberInfo::Kind::number}};
  }

 private:
  [[nodiscard]] std::vector<double> probabilities_of(const std::vector<float>& logits) const {
    const double most = *std::ranges::max_element(logits);
    std::vector<double> shares;
    double sum = 0;
    for (const float logit : logits) {
      shares.push_back(settings_.head.multi_label ? 1 / (1 + std::exp(-double{logit})) : std::exp(logit - most));
      sum += shares.back();
    }
    if (settings_.head.multi_label) return shares;
    for (double& share : shares) share /= sum;
    return shares;
  }

  /// The likeliest, or all that hold, in the head's order.
  [[nodiscard]] std::vector<std::string> labels_of(const std::vector<double>& shares, size_t best) const {
    if (!settings_.head.multi_label) return {settings_.head.labels[best]};
    std::vector<std::string> labels;
    for (size_t i = 0; i < shares.size(); ++i) {
      if (shares[i] >= 0.5) labels.push_back(settings_.head.labels[i]);
    }
    return labels;
  }

  void write(Outcome& outcome, const std::vector<std::string>& said, double score) const {
    std::string json = settings_.head.multi_label ? "[" : "";
    for (const std::string& label : said) json += (json.size() > 1 ? "," : "") + json_text(label);
    if (settings_.head.multi_label) json += "]";
    outcome.details = fmt::format(R"({{"label":{},"score":{}}})", json, json_number(score));
    if (settings_.member.empty()) return;
    outcome.members.emplace_back(settings_.member, json);
    outcome.members.emplace_back(settings_.member + "_score", json_number(score));
  }

  std::shared_ptr<const TextModel> model_;
  Settings settings_;
};

}  // namespace

MadeStep make_head_classify(OptionReader& options, const Folder& folder, const std::string& model) {
  HeadStep::Settings settings;
  const std::string label = options.text("label", "");
  settings.keep = options.texts("keep");
  settings.least = options.number("min", 0, 0, 1);
  settings.most = options.number("max", 1, 0, 1);
  settings.beginning = read_beginning(options);
  settings.member = options.text("member", "class");
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto opened, open_named(options, folder, model));
  KEDGE_TRY(check_beginning(options, settings.beginning, *opened));
  settings.head = opened->head();
  const std::vector<std::string>& labels = settings.head.labels;
  if (labels.size() < 2) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}.model: {} has {}, expected several: `score` takes one of one label", options.where(),
                             model, labels.empty() ? "no labels" : "one label")};
  }
  const auto check = [&](const char* option, const std::string& name) {
    if (std::ranges::find(labels, name) != labels.end()) return;
    options.fail(option, name, fmt::format("one of {}'s labels: {}", model, fmt::join(labels, ", ")));
  };
  for (const std::string& name : settings.keep) check("keep", name);
  if (!label.empty()) check("label", label);
  KEDGE_TRY(options.finish());
  if (!label.empty()) settings.label = static_cast<size_t>(std::ranges::find(labels, label) - labels.begin());
  return std::unique_ptr<Step>(std::make_unique<HeadStep>(label.empty() ? "classify" : "classify " + label,
                                                          std::move(opened), std::move(settings)));
}

OperatorInfo embed_operator() {
  return {"embed",
          "a text's embedding, written beside it: for dedup --method semantic",
          "Sentence Transformers' layout of encoders",
          {{"model", "", "an encoder's folder; decoders embed by their last token"},
           {"member", "embedding", "where it is written"}},
          make_embed};
}

OperatorInfo score_operator() {
  return {"score",
          "what an encoder's classification head says of a text; drops what is out of bounds",
          "FineWeb-Edu's classifier (Penedo et al. 2024) and others of one label: the raw number",
          {{"model", "", "its folder"},
           {"min", "none", "drop below this score"},
           {"max", "none", "and above this one"},
           {"max_chars", "0", "show it this many of the text's first characters; 0: all"},
           {"max_tokens", "0", "and of these this many tokens; 0: as many as it takes"},
           {"member", "score", "where it is written; empty: nowhere"}},
          make_score};
}

}  // namespace kedge::curate
