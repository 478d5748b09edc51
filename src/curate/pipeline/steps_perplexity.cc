// The steps that drop what a language model finds unlikely.
#include <fmt/format.h>

#include "curate/perplexity/ngram_model.h"
#include "curate/perplexity/unigrams.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

class PerplexityStep final : public Step {
 public:
  struct Settings {
    double least = 0, most = 1e300;
    bool normalize = true;
    std::string member;  // empty: none
  };
  PerplexityStep(std::unique_ptr<NgramModel> model, Settings settings)
      : Step("perplexity"), model_(std::move(model)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const double perplexity = perplexity_of(*model_, document.text, settings_.normalize);
    Outcome outcome;
    outcome.values.emplace_back("perplexity", perplexity);
    outcome.details = fmt::format(R"({{"perplexity":{}}})", json_number(perplexity));
    if (!settings_.member.empty()) outcome.members.emplace_back(settings_.member, json_number(perplexity));
    outcome.keep = settings_.least <= perplexity && perplexity <= settings_.most;
    if (!outcome.keep) outcome.reason = perplexity < settings_.least ? "too predictable" : "too unlikely";
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"perplexity", 0, 3000, settings_.least, settings_.most}};
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (settings_.member.empty()) return {};
    return {{settings_.member, MemberInfo::Kind::number}};
  }

 private:
  std::unique_ptr<NgramModel> model_;
  Settings settings_;
};

MadeStep make_perplexity(OptionReader& options, const Folder& folder) {
  PerplexityStep::Settings settings;
  const std::string file = options.text("model", "");
  settings.least = options.number("min", 0, 0, 1e300);
  settings.most = options.number("max", 1500, 0, 1e300);
  settings.normalize = options.choice("normalize", "ccnet", {"ccnet", "none"}) == "ccnet";
  settings.member = options.text("member", "perplexity");
  KEDGE_TRY(options.finish());
  if (file.empty()) {
    return Error{ErrorKind::invalid_input, options.where() + ".model: not there, expected an ARPA file"};
  }
  KEDGE_ASSIGN(auto model, NgramModel::open(folder / file));
  return std::unique_ptr<Step>(std::make_unique<PerplexityStep>(std::move(model), std::move(settings)));
}

class UnigramsStep final : public Step {
 public:
  UnigramsStep(std::unique_ptr<Unigrams> unigrams, double least, std::string member)
      : Step("unigrams"), unigrams_(std::move(unigrams)), least_(least), member_(std::move(member)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const double value = unigrams_->mean_log_probability(to_codes(document.text));
    Outcome outcome;
    outcome.values.emplace_back("unigram_logprob", value);
    outcome.details = fmt::format(R"({{"unigram_logprob":{}}})", json_number(value));
    if (!member_.empty()) outcome.members.emplace_back(member_, json_number(value));
    outcome.keep = value > least_;
    if (!outcome.keep) outcome.reason = "words too rare";
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"unigram_logprob", -20, 0, least_, 1e300}};
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (member_.empty()) return {};
    return {{member_, MemberInfo::Kind::number}};
  }

 private:
  std::unique_ptr<Unigrams> unigrams_;
  double least_;
  std::string member_;
};

MadeStep make_unigrams(OptionReader& options, const Folder& folder) {
  const std::string file = options.text("frequencies", "");
  const double least = options.number("min", -10, -1e300, 0);
  const std::string member = options.text("member", "unigram_logprob");
  KEDGE_TRY(options.finish());
  if (file.empty()) {
    return Error{ErrorKind::invalid_input,
                 options.where() + ".frequencies: not there, expected a CSV file of words and counts"};
  }
  KEDGE_ASSIGN(auto unigrams, Unigrams::open(folder / file));
  return std::unique_ptr<Step>(std::make_unique<UnigramsStep>(std::move(unigrams), least, member));
}

}  // namespace

OperatorInfo unigrams_operator() {
  return {"unigrams",
          "how common a text's words are, written beside it; drops texts of rare ones",
          "DataTrove 0.10's UnigramLogProbFilter, after peS2o (Soldaini and Lo 2023); English tokens",
          {{"frequencies", "", "CSV: word,count"},
           {"min", "-10", "keep where the mean natural log of the words' shares is larger"},
           {"member", "unigram_logprob", "where it is written; empty: nowhere"}},
          make_unigrams};
}

OperatorInfo perplexity_operator() {
  return {"perplexity",
          "how unlikely a text is by a model of runs of words, written beside it",
          "CCNet (Wenzek et al. 2020) over KenLM's models (Heafield 2011); max is data-juicer's",
          {{"model", "", "an ARPA file over words as white space cuts them"},
           {"min", "0", "drop below this perplexity"},
           {"max", "1500", "and above this one"},
           {"normalize", "ccnet", "ccnet: lower case, no accents, digits 0, ASCII punctuation; none: as it is"},
           {"member", "perplexity", "where it is written; empty: nowhere"}},
          make_perplexity};
}

}  // namespace kedge::curate
