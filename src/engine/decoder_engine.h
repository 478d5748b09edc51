#pragma once
// The engine over a decoder: requests run together on one thread.

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/beam_search.h"
#include "engine/engine_thread.h"
#include "engine/loader.h"
#include "engine/slot_file.h"
#include "grammar/constraint_compiler.h"

namespace kedge::engine {

class DecoderEngine final : public Engine {
 public:
  static Result<std::unique_ptr<Engine>> open(LoadedModel model, const EngineOptions& options);

  [[nodiscard]] const ModelInfo& info() const override { return model_.info; }
  [[nodiscard]] const MemoryPlan& plan() const override { return plan_; }
  [[nodiscard]] const Tokenizer* tokenizer() const override { return model_.tokenizer.get(); }
  [[nodiscard]] const text::ChatTemplate* chat_template() const override { return model_.chat_template.get(); }

  Result<RequestId> submit(Request request, OnToken on_token, OnDone on_done) override;
  Status prepare(const Constraint& constraint) override;
  Result<AdapterPtr> load_adapter(const std::filesystem::path& folder) override;
  void cancel(RequestId id) override;
  [[nodiscard]] size_t pending_count() const override { return thread_->pending_count(); }
  [[nodiscard]] EngineStats stats() const override;
  [[nodiscard]] const BatchCounters& counters() const { return thread_->counters(); }

  [[nodiscard]] std::vector<SlotInfo> slots() const override { return slots_->infos(); }
  Result<SlotTransfer> save_slot(size_t slot, const std::filesystem::path& file) override;
  Result<SlotTransfer> restore_slot(size_t slot, const std::filesystem::path& file) override;
  Result<uint64_t> erase_slot(size_t slot) override;

  Result<ForwardOutput> forward(std::span<const TokenId> prompt, uint32_t chunk_tokens, bool hidden,
                                const AdapterPtr& adapter) override;
  Result<ContinuationScore> score(std::span<const TokenId> context, std::span<const TokenId> continuation) override;
  Result<Measurement> measure(const Workload& workload, const std::stop_token& stop) override;
  Result<std::vector<std::vector<float>>> embed(std::span<const std::vector<TokenId>> sequences,
                                                const EmbedOptions& options) override;
  Result<std::vector<float>> rerank(std::span<const std::vector<TokenId>> sequences) override;
  [[nodiscard]] Result<std::vector<TokenId>> encode_for_embedding(std::string_view text) const override;
  [[nodiscard]] Result<std::vector<TokenId>> encode_for_rerank(std::string_view query,
                                                               std::string_view passage) const override;

 private:
  DecoderEngine(LoadedModel model, const EngineOptions& options) : model_(std::move(model)), options_(options) {}

  /// What one forward pass may hold.
  struct PassLimits {
    int64_t chunk;    // tokens of a prompt
    int64_t tokens;   // in all
    int64_t outputs;  // rows of logits
  };
  [[nodiscard]] PassLimits pass_limits() const;
  [[nodiscard]] int64_t sequences_max() const;
  Status make_plan();
  Status add_draft();
  Status allocate_draft();
  Status plan_kv_cache();
  Status plan_layout();
  Status plan_store();
  Status allocate_model();
  [[nodiscard]] std::vector<uint64_t> page_bytes() const;
  [[nodiscard]] size_t staged_pages_max() const;
  void open_store();
  Status allocate();
  [[nodiscard]] const models::DecoderSpec& spec() const { return std::get<models::DecoderSpec>(model_.spec.network); }
  [[nodiscard]] Status check_slot(size_t slot) const;
  [[nodiscard]] SlotReader slot_reader() const;
  [[nodiscard]] Status check_tokens(std::span<const TokenId> tokens) const;
  [[nodiscard]] Status check_reasoning(const ReasoningLimit& limit) const;
  [[nodiscard]] Status check_request(const Request& request) const;
  [[nodiscard]] Status check_beams(const Request& request) const;
  Result<RequestId> submit_beams(Request request, OnToken on_token, OnDone on_done);
  Result<std::shared_ptr<const grammar::BoundGrammar>> compile(const Constraint& constraint);
  /// Feeds a prompt between the steps of the requests. `on_chunk` sees each chunk's token count before its pass.
  Status feed_between_steps(Feed feed, const std::function<void(int64_t)>& on_chunk, const OnLogits& on_logits);
  [[nodiscard]] std::vector<BlockHash> hashes_of(const Request& request, const LoadedAdapter* adapter) const;
  /// The adapter as this engine loaded it; null for none. Fails with invalid_input when another engine did.
  [[nodiscard]] Result<std::shared_ptr<const LoadedAdapter>> own(const AdapterPtr& adapter) const;

  static constexpr RequestId kFirstSearch = RequestId{1} << 48;  // ids of the thread's requests are smaller

  LoadedModel model_;
  EngineOptions options_;
  MemoryPlan plan_;
  KvLayout layout_;
  std::shared_ptr<WorkerPool> workers_;
  std::unique_ptr<models::Decoder> decoder_;
  std::unique_ptr<KvPool> kv_pool_;
  std::unique_ptr<PageFile> page_file_;        // until the store has it
  std::unique_ptr<PrefixStore> prefix_store_;  // null: pages that are given up are gone. It writes to the pool's pages
  std::unique_ptr<SlotTable> slots_;
  bool kv_filled_ = false;  // with made-up numbers, for measure
  Runtime runtime_;
  GenerationContext context_;
  std::unique_ptr<grammar::ConstraintCompiler> constraints_;  // null without a tokenizer
  HashKey hash_key_ = random_hash_key();
  std::atomic<uint64_t> adapters_loaded_ = 0;
  std::mutex searches_mutex_;
  std::unordered_map<RequestId, std::weak_ptr<BeamSearch>> searches_;
  RequestId next_search_ = kFirstSearch;
  std::unique_ptr<DecoderEngine> draft_;  // null: there is none
  std::unique_ptr<DraftModel> draft_model_;
  std::unique_ptr<EngineThread> thread_;  // last: stops before what it uses goes
};

/// L2-normalises in place; a zero vector stays.
void normalize_vector(std::vector<float>& vector);

/// The embedding of hidden states [tokens, size].
std::vector<float> pool_states(std::span<const float> states, int64_t size, Pooling pooling);

}  // namespace kedge::engine
