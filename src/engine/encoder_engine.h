#pragma once
// The engine over an encoder: embeddings and rerank scores.

#include <memory>
#include <vector>

#include "engine/job_thread.h"
#include "engine/loader.h"
#include "models/encoder.h"

namespace kedge::engine {

class EncoderEngine final : public Engine {
 public:
  static Result<std::unique_ptr<Engine>> open(LoadedModel model, const EngineOptions& options);

  [[nodiscard]] const ModelInfo& info() const override { return model_.info; }
  [[nodiscard]] const MemoryPlan& plan() const override { return plan_; }
  [[nodiscard]] const Tokenizer* tokenizer() const override { return model_.tokenizer.get(); }
  [[nodiscard]] const text::ChatTemplate* chat_template() const override { return nullptr; }

  Result<RequestId> submit(Request request, OnToken on_token, OnDone on_done) override;
  Status prepare(const Constraint& constraint) override;
  Result<AdapterPtr> load_adapter(const std::filesystem::path& folder) override;
  void cancel(RequestId id) override { jobs_->cancel(id); }
  [[nodiscard]] size_t pending_count() const override { return jobs_->pending_count(); }
  [[nodiscard]] EngineStats stats() const override;

  Result<ForwardOutput> forward(std::span<const TokenId> prompt, uint32_t chunk_tokens, bool hidden,
                                const AdapterPtr& adapter) override;
  Result<ContinuationScore> score(std::span<const TokenId> context, std::span<const TokenId> continuation) override;
  Result<Measurement> measure(const Workload& workload, const std::stop_token& stop) override;
  Result<std::vector<std::vector<float>>> embed(std::span<const std::vector<TokenId>> sequences,
                                                const EmbedOptions& options) override;
  Result<std::vector<float>> rerank(std::span<const std::vector<TokenId>> sequences) override;
  Result<std::vector<std::vector<float>>> classify(std::span<const std::vector<TokenId>> sequences) override;
  [[nodiscard]] Result<std::vector<TokenId>> encode_for_embedding(std::string_view text) const override;
  [[nodiscard]] Result<std::vector<TokenId>> encode_for_rerank(std::string_view query,
                                                               std::string_view passage) const override;

 private:
  explicit EncoderEngine(LoadedModel model) : model_(std::move(model)) {}

  [[nodiscard]] const models::EncoderSpec& spec() const { return std::get<models::EncoderSpec>(model_.spec.network); }
  [[nodiscard]] size_t sequence_tokens_max() const;
  [[nodiscard]] Status check_sequence(std::span<const TokenId> tokens) const;
  [[nodiscard]] Error no_text_model(const char* what) const;
  [[nodiscard]] std::vector<TokenId> token_types(std::span<const TokenId> tokens) const;
  std::vector<float> embed_now(std::span<const TokenId> tokens, const EmbedOptions& options);

  LoadedModel model_;
  MemoryPlan plan_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<models::Encoder> encoder_;
  std::unique_ptr<JobThread> jobs_;  // last: stops before what it uses goes
};

}  // namespace kedge::engine
