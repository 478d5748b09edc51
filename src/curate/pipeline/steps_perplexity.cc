// The steps that drop what a language model finds unlikely.
#include <fmt/format.h>

#include <cmath>
#include <functional>

#include "curate/perplexity/ngram_model.h"
#include "curate/perplexity/unigrams.h"
#include "curate/pipeline/steps.h"
#include "curate/text_model.h"

namespace kedge::curate {
namespace {

class PerplexityStep final : public Step {
 public:
  struct Settings {
    double least = 0, most = 1e300;
    std::string member;  // empty: none
  };
  /// The perplexity of a text.
  using Measure = std::function<Result<double>(std::string_view)>;

  PerplexityStep(Measure measure, Settings settings)
      : Step("perplexity"), measure_(std::move(measure)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const Result<double> measured = measure_(document.text);
    if (!measured.ok()) {  // the model cannot take it
      outcome.keep = false;
      outcome.reason = "model: " + measured.error().message;
      return outcome;
    }
    const double perplexity = measured.value();
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
  Measure measure_;
  Settings settings_;
};

/// exp of the mean negative log-likelihood of a token; 1 where there is none to predict.
Result<double> perplexity_by(const TextModel& model, std::string_view text) {
  KEDGE_ASSIGN(const TextModel::Likelihood likelihood, model.likelihood(text));
  if (likelihood.tokens == 0) return 1.0;
  return std::exp(-likelihood.logprob / static_cast<double>(likelihood.tokens));
}

struct ModelFiles {
  std::string model, tokenizer;  // tokenizer: empty: words as white space cuts them
  Folder folder;
};

/// A file is ARPA or KenLM's, but for .gguf; what is none is a language model's folder or name.
Result<PerplexityStep::Measure> open_measure(const ModelFiles& files, const std::string& form,
                                             const OptionReader& options) {
  const bool normalize = form == "ccnet", as_juicer = form == "data-juicer";
  if (as_juicer && files.tokenizer.empty()) {
    return Error{ErrorKind::invalid_input,
                 options.where() + ".normalize: data-juicer's perplexity is that of pieces; name a tokenizer"};
  }
  std::error_code ignored;
  const auto& [name, tokenizer_name, folder] = files;
  const std::filesystem::path path = folder / name;
  if (!std::filesystem::is_regular_file(path, ignored) || path.extension() == ".gguf") {
    if (!tokenizer_name.empty()) {
      return Error{ErrorKind::invalid_input, fmt::format("{}.tokenizer: found '{}' beside a language model, which has "
                                                         "its own; expected a model of runs of words",
                                                         options.where(), tokenizer_name)};
    }
    KEDGE_ASSIGN(const auto model, open_text_model(name, folder));
    return PerplexityStep::Measure([model](std::string_view text) { return perplexity_by(*model, text); });
  }
  KEDGE_ASSIGN(auto opened, NgramModel::open(path));
  const std::shared_ptr<const NgramModel> model(std::move(opened));
  if (tokenizer_name.empty()) {
    return PerplexityStep::Measure(
        [model, normalize](std::string_view text) { return Result<double>(perplexity_of(*model, text, normalize)); });
  }
  KEDGE_ASSIGN(const auto tokenizer, Tokenizer::open(folder / tokenizer_name));
  return PerplexityStep::Measure([model, tokenizer, normalize, as_juicer](std::string_view text) {
    if (as_juicer) return juicer_perplexity(*model, *tokenizer, text);
    return perplexity_of_pieces(*model, *tokenizer, text, normalize);
  });
}

MadeStep make_perplexity(OptionReader& options, const Folder& folder) {
  PerplexityStep::Settings settings;
  const std::string file = options.text("model", "");
  settings.least = options.number("min", 0, 0, 1e300);
  settings.most = options.number("max", 1500, 0, 1e300);
  const std::string form = options.choice("normalize", "ccnet", {"ccnet", "none", "data-juicer"});
  settings.member = options.text("member", "perplexity");
  const std::string tokenizer = options.text("tokenizer", "");
  KEDGE_TRY(options.finish());
  if (file.empty()) {
    return Error{ErrorKind::invalid_input,
                 options.where() + ".model: not there, expected an ARPA file, a binary of KenLM's or a model's folder"};
  }
  KEDGE_ASSIGN(auto measure, open_measure({file, tokenizer, folder}, form, options));
  return std::unique_ptr<Step>(std::make_unique<PerplexityStep>(std::move(measure), std::move(settings)));
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
          "how unlikely a text is by a model of runs of words or a language model, written beside it",
          "CCNet (Wenzek et al. 2020) over KenLM's models (Heafield 2011); max is data-juicer's",
          {{"model", "",
            "an ARPA file or a binary of KenLM's (probing, trie), or a decoder's folder or .gguf file: per token, in "
            "windows of 1,024"},
           {"tokenizer", "",
            "runs of words: a SentencePiece model (.sp.model), whose pieces are the words, as in CCNet; without it "
            "white space cuts them"},
           {"min", "0", "drop below this perplexity"},
           {"max", "1500", "and above this one"},
           {"normalize", "ccnet",
            "runs of words: ccnet: lower case, no accents, digits 0, ASCII punctuation; none: as it is; data-juicer: "
            "likewise, rounded to a decimal place, 0 for an empty text"},
           {"member", "perplexity", "where it is written; empty: nowhere"}},
          make_perplexity};
}

}  // namespace kedge::curate
