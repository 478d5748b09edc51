// The steps that rest on a tokenizer.
#include <fmt/format.h>

#include "curate/pipeline/steps.h"
#include "kedge/tokenizer.h"

namespace kedge::curate {
namespace {

class TokensStep final : public Step {
 public:
  TokensStep(std::string label, std::shared_ptr<const Tokenizer> tokenizer, int64_t least, int64_t most,
             std::string member)
      : Step(std::move(label)),
        tokenizer_(std::move(tokenizer)),
        least_(least),
        most_(most),
        member_(std::move(member)) {}

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
    if (!member_.empty()) outcome.members.emplace_back(member_, std::to_string(count));
    outcome.keep = least_ <= count && count <= most_;
    if (!outcome.keep) outcome.reason = count < least_ ? "too few tokens" : "too many tokens";
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"tokens", 0, 4000, static_cast<double>(least_), static_cast<double>(most_)}};
  }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  int64_t least_, most_;
  std::string member_;
};

MadeStep make_tokens(OptionReader& options, const Folder& folder) {
  const std::string path = options.text("tokenizer", "");
  const int64_t least = options.whole("min", 0, 0, INT64_MAX);
  const int64_t most = options.whole("max", INT64_MAX, 0, INT64_MAX);
  const std::string member = options.text("member", "token_count");
  KEDGE_TRY(options.finish());
  if (path.empty()) {
    return Error{ErrorKind::invalid_input,
                 options.where() + ".tokenizer: not there, expected a tokenizer's file or folder"};
  }
  KEDGE_ASSIGN(auto tokenizer, Tokenizer::open(folder / path));
  return std::unique_ptr<Step>(std::make_unique<TokensStep>("tokens", std::move(tokenizer), least, most, member));
}

}  // namespace

OperatorInfo tokens_operator() {
  return {"tokens",
          "how many tokens a text has, written beside it",
          "any tokenizer that kedge reads",
          {{"tokenizer", "", "its file or folder"},
           {"min", "0", "drop documents with fewer"},
           {"max", "", "and with more"},
           {"member", "token_count", "where it is written; empty: nowhere"}},
          make_tokens};
}

}  // namespace kedge::curate
