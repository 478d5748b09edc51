#pragma once
// The encoder: BERT, (XLM-)RoBERTa and DeBERTa bodies, with the classification heads of rerankers and classifiers.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/aligned.h"
#include "core/thread_pool.h"
#include "cpu/ops.h"
#include "kedge/result.h"
#include "models/decoder_weights.h"
#include "models/packed_weights.h"
#include "models/relative_attention.h"
#include "models/spec.h"
#include "models/weight_source.h"

namespace kedge::models {

/// Immutable weights and one set of work buffers: one sequence at a time, so that padding never exists.
class Encoder {
 public:
  struct Options {
    cpu::MatmulCompute compute = cpu::MatmulCompute::f32;
    bool onednn = false;  // multiplies the weights that it takes (cpu/onednn.h). REQUIRES: load_onednn succeeded
  };
  /// Weights that are laid out anew are so here, on `pool`.
  /// Fails with corrupt_data (tensors) or out_of_memory (buffers).
  static Result<std::unique_ptr<Encoder>> open(WorkerPool& pool, const EncoderSpec& spec,
                                               std::shared_ptr<const WeightSource> source, const Options& options);

  /// What `open` will lay out anew. Fails with corrupt_data.
  static Result<LayoutPlan> plan_layout(const EncoderSpec& spec, std::shared_ptr<const WeightSource> source,
                                        const Options& options);

  /// Bytes of the work buffers that `open` will take.
  static uint64_t buffer_bytes(const EncoderSpec& spec);

  /// Last hidden states [tokens, hidden_size]; valid until the next call. `token_types` may be empty (all 0).
  /// REQUIRES: 1 to context_tokens() tokens, each in the vocabulary.
  std::span<const float> forward(WorkerPool& pool, std::span<const int32_t> tokens,
                                 std::span<const int32_t> token_types = {});

  /// What the head says of the sequence of the last forward pass, raw: one number a label. REQUIRES: spec().head is
  /// rerank.
  std::vector<float> head_scores(WorkerPool& pool);

  [[nodiscard]] const EncoderSpec& spec() const { return spec_; }

 private:
  struct Layer {
    Linear query, key, value, output, inner, outer;
    Linear position_query, position_key;  // of relative attention that has its own
    NormWeights attention_norm, output_norm;
  };

  Encoder(const EncoderSpec& spec, std::shared_ptr<const WeightSource> source, const Options& options)
      : spec_(spec), source_(std::move(source)), options_(options), compute_(cpu::for_many_tokens(options.compute)) {}

  Status load();
  Status load_embeddings();
  Status load_layer(const std::string& prefix);
  Status load_head();
  Result<Linear> linear(const std::string& name, int64_t rows, int64_t columns) const;
  Result<NormWeights> norm_weights(const std::string& name) const;
  Status load_positions(WorkerPool& pool);
  void take_buffers();
  void embed(std::span<const int32_t> tokens, std::span<const int32_t> token_types);
  void run_layer(WorkerPool& pool, size_t index, int64_t count);
  void attend(WorkerPool& pool, int64_t count);
  void norm(WorkerPool& pool, const NormWeights& weights, int64_t count);
  [[nodiscard]] std::vector<Linear*> products();
  [[nodiscard]] bool takes_blocks(const Linear& product) const;
  [[nodiscard]] LayoutPlan plan_layout();
  Status lay_out(WorkerPool& pool);
  void project_qkv(WorkerPool& pool, const Layer& layer, int64_t count);
  /// REQUIRES: rows of x lie side by side; those of y too where it is added or activated.
  void matmul(WorkerPool& pool, const Linear& linear, const float* x, int64_t count, const cpu::OutputRows& y) const;

  EncoderSpec spec_;
  std::shared_ptr<const WeightSource> source_;
  Options options_;
  cpu::MatmulCompute compute_;
  PageBuffer blocks_;
  cpu::WeightView words_, positions_, types_;
  NormWeights embedding_norm_;
  std::vector<Layer> layers_;
  Linear head_dense_, head_out_;
  Arena arena_;
  std::span<float> hidden_, attended_, qkv_, inner_;
  std::span<std::byte> key_pages_, value_pages_;
  std::vector<std::byte*> key_table_, value_table_;
  std::optional<RelativeAttention> relative_;
};

}  // namespace kedge::models
