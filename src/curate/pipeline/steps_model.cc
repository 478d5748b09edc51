// The steps that ask a model: embeddings, and scores of classification heads.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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
    std::string member;  // empty: none
  };
  ScoreStep(std::shared_ptr<const TextModel> model, Settings settings)
      : Step("score"), model_(std::move(model)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const Result<double> score = model_->score(document.text);
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
  settings.member = options.text("member", "score");
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto opened, open_named(options, folder, model));
  return std::unique_ptr<Step>(std::make_unique<ScoreStep>(std::move(opened), std::move(settings)));
}

}  // namespace

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
           {"member", "score", "where it is written; empty: nowhere"}},
          make_score};
}

}  // namespace kedge::curate
