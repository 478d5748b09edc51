#pragma once
// The decoder: one forward pass over a batch of token runs, for every family.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/aligned.h"
#include "core/thread_pool.h"
#include "cpu/ops.h"
#include "kedge/result.h"
#include "models/adapter.h"
#include "models/decoder_weights.h"
#include "models/packed_weights.h"
#include "models/spec.h"
#include "models/weight_source.h"

namespace kedge::models {

/// The keys and values of one sequence. The engine owns the pages; the decoder writes and reads through views.
class SequenceCache {
 public:
  virtual ~SequenceCache() = default;
  /// A view of one layer that covers every position of the forward pass at hand. Valid until this cache's next call.
  virtual cpu::KvView layer(int64_t layer_index) = 0;
};

/// A run of consecutive tokens of one sequence.
struct TokenRun {
  std::span<const int32_t> tokens;  // REQUIRES: each in [0, vocabulary_size)
  int64_t first = 0;                // position of the first one
  int64_t length = 0;               // tokens that the sequence will have: chooses the rope factors (LongRoPE)
  SequenceCache* cache = nullptr;
  int64_t output_from = 0;           // logits are wanted for tokens[output_from...]; tokens.size(): none
  const Adapter* adapter = nullptr;  // null: the model as it is. Runs of one adapter cost less side by side
};

/// What a forward pass is part of. Prompts may be computed in an order of summation that suits many tokens; every pass
/// of a phase computes a token alike, whatever stands beside it.
enum class Phase : uint8_t { prefill, decode };

/// Receives hidden states: `layer` 0 is the embedding output, layer_count the output after the final norm.
/// states: [tokens of the batch, hidden_size].
using HiddenSink = void (*)(void* context, int64_t layer, const float* states);

/// Receives the rows that enter each matrix product of a layer, before any rounding of them: x.count rows of
/// linear.weight.columns floats. `linear` is one of Decoder::weights().
using ProductSink = void (*)(void* context, const Linear& linear, const cpu::InputRows& x);

struct DecoderOptions {
  cpu::MatmulCompute compute = cpu::MatmulCompute::f32;  // int8: weights that have a packed form are packed
  bool onednn = false;                                   // multiplies the weights that it takes (cpu/onednn.h)
  bool round_inputs = false;  // activations as a quantized checkpoint's settings say (cpu/input_rounding.h)
  int64_t tokens_max = 0;     // of one batch
  int64_t outputs_max = 0;    // rows of logits of one batch
  LayoutOptions layout;       // its choice is `compute` and `onednn`
};

/// Immutable weights and one set of work buffers: one forward pass at a time.
class Decoder {
 public:
  /// Weights that are laid out anew are so here, on `pool`.
  /// Fails with corrupt_data (tensors) or out_of_memory (buffers).
  static Result<std::unique_ptr<Decoder>> open(WorkerPool& pool, const DecoderSpec& spec,
                                               std::shared_ptr<const WeightSource> source,
                                               const DecoderOptions& options);

  /// Bytes of the work buffers that `open` will take.
  static uint64_t buffer_bytes(const DecoderSpec& spec, int64_t tokens_max, int64_t outputs_max);

  /// Runs the batch and returns logits [outputs, vocabulary_size] in the order of the runs; valid until the next call,
  /// and the caller's to change. REQUIRES: at most tokens_max tokens and outputs_max outputs.
  std::span<float> forward(WorkerPool& pool, Phase phase, std::span<const TokenRun> runs, HiddenSink sink = nullptr,
                           void* sink_context = nullptr);

  /// Runs one layer alone over `states` [tokens of the batch, hidden_size], in place; the rows that enter its products
  /// go to `sink`, which may be null. REQUIRES: at most tokens_max tokens.
  void run_layer(WorkerPool& pool, std::span<const TokenRun> runs, int64_t layer_index, std::span<float> states,
                 ProductSink sink, void* sink_context);

  /// The final normed state of the outputs of the last forward pass: [outputs, hidden_size].
  [[nodiscard]] std::span<const float> output_states() const {
    return {buffers_.outputs.data(), output_count_ * hidden()};
  }

  /// Weights that were laid out anew: mapped from the cache, or why they could not be kept there.
  [[nodiscard]] const LaidOutWeights& laid_out() const { return laid_out_; }

  [[nodiscard]] const DecoderSpec& spec() const { return spec_; }
  [[nodiscard]] const DecoderWeights& weights() const { return weights_; }
  [[nodiscard]] cpu::MatmulCompute compute() const { return compute_; }

 private:
  struct Buffers {
    std::span<float> hidden;        // [tokens, hidden]: the residual stream
    std::span<float> normed;        // [tokens, max(hidden, heads * head_size)]
    std::span<float> qkv;           // [tokens, (heads + 2 kv_heads) * head_size]
    std::span<float> attended;      // [tokens, heads * head_size]
    std::span<float> projected;     // [tokens, hidden]
    std::span<float> inner;         // [tokens, 2 * intermediate]
    std::span<float> cosine, sine;  // [ropes][tokens, rotary / 2]
    std::span<float> router;        // [tokens, experts]
    std::span<float> gathered;      // [tokens, hidden]: rows of one expert
    std::span<float> outputs;       // [outputs, hidden]
    std::span<float> logits;        // [outputs, vocabulary]
  };
  struct Expert {
    int32_t token;
    float weight;
  };
  using Updates = std::span<const cpu::LowRankRows>;
  /// Those of a layer's MLP.
  struct MlpUpdates {
    Updates gate_up, down;
  };
  /// Rows of the pass at hand that one adapter is for.
  struct AdapterRows {
    const Adapter* adapter;
    int64_t first, count;
  };

  Decoder(const DecoderSpec& spec, std::shared_ptr<const WeightSource> source, const DecoderOptions& options)
      : spec_(spec), source_(std::move(source)), compute_(options.compute), round_inputs_(options.round_inputs) {}

  [[nodiscard]] size_t hidden() const { return static_cast<size_t>(spec_.hidden_size); }
  void begin(Phase phase, std::span<const TokenRun> runs);
  void embed(std::span<const TokenRun> runs);
  void fill_rope(std::span<const TokenRun> runs);
  /// The updates of one product by the adapters of the pass at hand. Valid until the same site's next call.
  Updates updates(int64_t layer_index, AdapterSite site);
  void attention_block(WorkerPool& pool, std::span<const TokenRun> runs, int64_t layer_index);
  void project_output(WorkerPool& pool, const DecoderLayerWeights& layer, int64_t layer_index);
  void attend(WorkerPool& pool, std::span<const TokenRun> runs, int64_t layer_index);
  void rotate(WorkerPool& pool, std::span<const TokenRun> runs, int64_t layer_index);
  void mlp_block(WorkerPool& pool, int64_t layer_index);
  void multiply_gated(WorkerPool& pool, const Siblings& products, const cpu::InputRows& x, cpu::OutputRows y,
                      Updates updates) const;
  void dense(WorkerPool& pool, const MlpWeights& mlp, const MlpUpdates& updates, const cpu::InputRows& x,
             const cpu::OutputRows& y);
  void mixture(WorkerPool& pool, const DecoderLayerWeights& layer);
  void route(WorkerPool& pool, const DecoderLayerWeights& layer);
  void norm(WorkerPool& pool, const NormWeights& weights, const float* x, int64_t count, float* out) const;
  /// Where a product's outputs go that are added to the hidden states: there at once, or, where something is done to
  /// them first, into a buffer for add_to_hidden.
  cpu::OutputRows residual_output(const Linear& product, Updates updates);
  void add_to_hidden(WorkerPool& pool, const NormWeights& sandwich_norm);
  /// The hidden states normalised. Where one operation takes them, and it alone, it does so on the way.
  cpu::InputRows normed_input(WorkerPool& pool, const NormWeights& weights, const Siblings& products, Updates updates);
  /// Whether cpu has one call for all of them, which reads the rows as they are.
  [[nodiscard]] bool are_one_operation(const Siblings& siblings) const;
  /// Outputs side by side in y, and the updates: on the way where one operation takes them, else after it.
  void multiply(WorkerPool& pool, const Siblings& siblings, const cpu::InputRows& x, cpu::OutputRows y,
                Updates updates) const;
  void matmul(WorkerPool& pool, const Linear& linear, const cpu::InputRows& x, const cpu::OutputRows& y) const;
  [[nodiscard]] static bool are_aligned(Updates updates);
  /// What weights that are neither packed nor in blocks are multiplied in.
  [[nodiscard]] cpu::MatmulCompute compute_of(const Linear& stored) const;
  void collect_outputs(WorkerPool& pool, std::span<const TokenRun> runs);

  DecoderSpec spec_;
  std::shared_ptr<const WeightSource> source_;
  cpu::MatmulCompute compute_;
  cpu::RmsNorm input_norm_;  // of normed_input
  bool round_inputs_;
  cpu::MatmulCompute stored_compute_ = compute_;  // of the pass at hand, with weights as they are stored
  cpu::MatmulCompute packed_compute_ = cpu::MatmulCompute::int8;  // and with packed ones
  DecoderWeights weights_;
  LaidOutWeights laid_out_;
  Arena arena_;
  Buffers buffers_;
  std::vector<std::vector<Expert>> routed_;        // tokens of each expert, of the layer at hand
  std::vector<cpu::AttentionRun> attention_runs_;  // of the layer at hand
  std::vector<AdapterRows> adapter_rows_;          // of the pass at hand
  std::array<std::vector<cpu::LowRankRows>, kAdapterSites> updates_;
  Phase phase_ = Phase::prefill;        // of the pass at hand
  ProductSink product_sink_ = nullptr;  // of run_layer
  void* product_sink_context_ = nullptr;
  int64_t token_count_ = 0;
  size_t output_count_ = 0;
};

}  // namespace kedge::models
