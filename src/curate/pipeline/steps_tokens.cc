// The steps that rest on a tokenizer.
#include <fmt/format.h>

#include "curate/pipeline/steps.h"
#include "kedge/tokenizer.h"
#include "text/unicode/utf8.h"

namespace kedge::curate {
namespace {

class TokensStep final : public Step {
 public:
  struct Settings {
    int64_t least = 0, most = INT64_MAX;
    double fertility_least = -1;  // characters a token; -1: any
    std::string member;           // empty: none
  };
  TokensStep(std::shared_ptr<const Tokenizer> tokenizer, Settings settings)
      : Step("tokens"), tokenizer_(std::move(tokenizer)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const auto ids = tokenizer_->encode(document.text, {.parse_special = false});
    if (!ids.ok()) {  // too large for any training run
      outcome.keep = false;
      outcome.reason = "cannot be tokenized";
      return outcome;
    }
    const auto count = static_cast<int64_t>(ids.value().size());
    outcome.values.emplace_back("tokens", static_cast<double>(count));
    outcome.details = fmt::format(R"({{"tokens":{}}})", count);
    if (!settings_.member.empty()) outcome.members.emplace_back(settings_.member, std::to_string(count));
    if (count < settings_.least || count > settings_.most) {
      outcome.reason = count < settings_.least ? "too few tokens" : "too many tokens";
    } else if (settings_.fertility_least >= 0) {
      const auto characters = static_cast<double>(text::count_characters(document.text));
      const double fertility = count == 0 ? -1 : characters / static_cast<double>(count);
      outcome.values.emplace_back("fertility", fertility);
      if (fertility < settings_.fertility_least) outcome.reason = "too few characters a token";
    }
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    std::vector<ValueRange> ranges = {
        {"tokens", 0, 4000, static_cast<double>(settings_.least), static_cast<double>(settings_.most)}};
    if (settings_.fertility_least >= 0) ranges.push_back({"fertility", 0, 8, settings_.fertility_least, 1e300});
    return ranges;
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (settings_.member.empty()) return {};
    return {{settings_.member, MemberInfo::Kind::whole}};
  }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  Settings settings_;
};

MadeStep make_tokens(OptionReader& options, const Folder& folder) {
  const std::string path = options.text("tokenizer", "");
  TokensStep::Settings settings;
  settings.least = options.whole("min", 0, 0, INT64_MAX);
  settings.most = options.whole("max", INT64_MAX, 0, INT64_MAX);
  settings.fertility_least = options.number("min_fertility", -1, -1, 1e6);
  settings.member = options.text("member", "token_count");
  KEDGE_TRY(options.finish());
  if (path.empty()) {
    return Error{ErrorKind::invalid_input,
                 options.where() + ".tokenizer: not there, expected a tokenizer's file or folder"};
  }
  KEDGE_ASSIGN(auto tokenizer, Tokenizer::open(folder / path));
  return std::unique_ptr<Step>(std::make_unique<TokensStep>(std::move(tokenizer), std::move(settings)));
}

}  // namespace

OperatorInfo tokens_operator() {
  return {
      "tokens",
      "how many tokens a text has, written beside it",
      "any tokenizer that kedge reads",
      {{"tokenizer", "", "its file or folder"},
       {"min", "0", "drop documents with fewer"},
       {"max", "", "and with more"},
       {"min_fertility", "-1", "drop documents with fewer characters a token; NeMo's TokenizerFertilityFilter: 2.5"},
       {"member", "token_count", "where it is written; empty: nowhere"}},
      make_tokens};
}

}  // namespace kedge::curate
