#include "cli/curate_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "cli/model_argument.h"
#include "curate/text_model.h"

namespace kedge::cli {
namespace {

constexpr size_t kWindowTokens = 1024;

class EngineModel final : public curate::TextModel {
 public:
  explicit EngineModel(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}

  [[nodiscard]] Result<std::vector<float>> embedding(std::string_view text) const override {
    KEDGE_ASSIGN(const std::vector<TokenId> ids, engine_->encode_for_embedding(text));
    KEDGE_ASSIGN(auto vectors, engine_->embed({&ids, 1}, {.normalize = true}));
    return std::move(vectors.front());
  }

  [[nodiscard]] Result<Likelihood> likelihood(std::string_view text) const override {
    const Tokenizer* const tokenizer = engine_->tokenizer();
    if (tokenizer == nullptr) {
      return Error{ErrorKind::unsupported, fmt::format("{}: the model has no tokenizer", engine_->info().name)};
    }
    const std::optional<TokenId> first = tokenizer->bos() ? tokenizer->bos() : tokenizer->eos();
    KEDGE_ASSIGN(const std::vector<TokenId> ids, tokenizer->encode(text, {}));
    const std::span<const TokenId> all(ids);
    Likelihood sum;
    for (size_t begin = 0; begin < all.size();) {
      std::span<const TokenId> window = all.subspan(begin, std::min(kWindowTokens, all.size() - begin));
      begin += window.size();
      std::vector<TokenId> context;
      if (first) {
        context.push_back(*first);
      } else {  // nothing says how likely the first one is
        context.push_back(window.front());
        window = window.subspan(1);
      }
      if (window.empty()) continue;
      KEDGE_ASSIGN(const ContinuationScore score, engine_->score(context, window));
      sum.logprob += score.logprob;
      sum.tokens += window.size();
    }
    return sum;
  }

  [[nodiscard]] size_t tokens_max() const override { return static_cast<size_t>(engine_->info().context_tokens); }

  [[nodiscard]] Result<double> score(std::string_view text, size_t tokens_max) const override {
    KEDGE_ASSIGN(const std::vector<TokenId> ids, beginning(text, tokens_max));
    KEDGE_ASSIGN(const std::vector<float> scores, engine_->rerank({&ids, 1}));
    return static_cast<double>(scores.front());
  }

  [[nodiscard]] Head head() const override { return {engine_->info().labels, engine_->info().multi_label}; }

  [[nodiscard]] Result<std::vector<float>> logits(std::string_view text, size_t tokens_max) const override {
    KEDGE_ASSIGN(const std::vector<TokenId> ids, beginning(text, tokens_max));
    KEDGE_ASSIGN(auto scores, engine_->classify({&ids, 1}));
    return std::move(scores.front());
  }

 private:
  /// What a head is shown; the special token at the end stays.
  [[nodiscard]] Result<std::vector<TokenId>> beginning(std::string_view text, size_t tokens_max) const {
    KEDGE_ASSIGN(std::vector<TokenId> ids, engine_->encode_for_embedding(text));
    if (tokens_max == 0 || ids.size() <= tokens_max) return ids;
    const TokenId last = ids.back();
    ids.resize(tokens_max);
    ids.back() = last;
    return ids;
  }

  std::unique_ptr<Engine> engine_;
};

Result<std::shared_ptr<const curate::TextModel>> open_model(const std::string& name) {
  ModelOptions options;
  options.model = name;
  options.context_tokens = kWindowTokens + 1;
  KEDGE_ASSIGN(auto engine, options.open());
  return std::shared_ptr<const curate::TextModel>(std::make_shared<EngineModel>(std::move(engine)));
}

}  // namespace

void offer_models_to_curate() {
  curate::set_model_opener(open_model);
}

}  // namespace kedge::cli
