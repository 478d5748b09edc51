#pragma once
// The engine: submit prompts, receive tokens. One Engine per loaded model.
// Thread-safe unless a comment says otherwise.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "kedge/constraint.h"
#include "kedge/result.h"
#include "kedge/tokenizer.h"

namespace kedge {

/// Precision of the activations that enter a matrix product; sums are float32, or exact integers in groups of 32.
enum class Compute : uint8_t {
  automatic,  // int8 or bf16 where the CPU multiplies it and the weights are no wider, else f32
  f32,
  bf16,
  int8  // for weights of 4 to 8 bits, which are laid out anew in memory; prompts may be computed in bf16
};

/// The type that keys and values of earlier tokens are kept in.
enum class KvCache : uint8_t {
  automatic,  // f32 with Compute::f32, else bf16
  f32,
  bf16,
  int8,  // a scale for each token and head
  int4   // a scale and a minimum for each 32 elements
};

/// Whose matrix products run.
enum class Gemm : uint8_t {
  automatic,  // kedge's: docs/decisions/0013-onednn.md
  kedge,
  onednn  // oneDNN's, for weights in f32, bf16 and INT8 with one scale a row, which are laid out anew in memory
};

/// How next tokens are guessed ahead of the model. Guesses are checked, several at a time: they change no token.
enum class Speculation : uint8_t {
  off,
  ngram  // what followed the last tokens where they stood before, in the prompt or the answer
};

struct SamplingOptions {
  float temperature = 1.0F;         // 0 means greedy
  int32_t top_k = 0;                // 0: all
  float top_p = 1.0F;               // in (0, 1]
  float min_p = 0.0F;               // in [0, 1): drop tokens below min_p times the highest probability
  float typical_p = 1.0F;           // locally typical sampling (Meister et al. 2022), in (0, 1]
  float repetition_penalty = 1.0F;  // CTRL (Keskar et al. 2019); over prompt and answer
  float presence_penalty = 0.0F;    // OpenAI's: over the answer
  float frequency_penalty = 0.0F;   // OpenAI's: over the answer
  std::vector<std::pair<TokenId, float>> logit_bias;
  std::optional<uint64_t> seed;  // same seed, prompt and build: same tokens; absent: a fresh one
};

/// Beam search: the likeliest answers instead of sampled ones, as Hugging Face's `generate` finds them.
inline constexpr uint32_t kBeamWidthMax = 50;  // a step asks for the log-probabilities of twice as many tokens
struct BeamOptions {
  uint32_t width = 1;           // beams; at least sequence_count
  float length_penalty = 1.0F;  // an answer's score is its log-probability divided by tokens ^ length_penalty
  bool early_stopping = false;  // with `width` ended answers, although a better one may come
};

struct AdapterInfo {
  int64_t rank = 0;                  // the largest of a module
  std::vector<std::string> modules;  // "q_proj"
  uint64_t bytes = 0;                // that it takes in memory
};

/// Low-rank updates of a model's weights (LoRA, rsLoRA, DoRA), made by Engine::load_adapter. Immutable. Unloading it is
/// letting go of it: requests that run with it keep it until they end.
class Adapter {
 public:
  virtual ~Adapter() = default;
  [[nodiscard]] virtual const AdapterInfo& info() const = 0;
};
using AdapterPtr = std::shared_ptr<const Adapter>;

/// How much an answer may reason before it answers: behind `tokens_max` tokens between the marks, `end` is written in
/// place of what the model would have said, and it goes on from there.
struct ReasoningLimit {
  std::string begin;                // the mark that opens it, at the answer's start; empty: the prompt has opened it
  std::string end;                  // the mark that closes it. REQUIRES: not empty
  std::vector<TokenId> end_tokens;  // of `end`. REQUIRES: not empty
  uint32_t tokens_max = 0;
};

struct Request {
  std::vector<TokenId> prompt_tokens;  // REQUIRES: non-empty
  uint32_t new_tokens_max = 256;       // 0: only the prompt's log-probabilities
  uint32_t sequence_count = 1;         // answers to the same prompt (OpenAI's n); seeds differ by one
  SamplingOptions sampling;
  std::vector<TokenId> stop_tokens;       // besides the model's own end-of-sequence tokens
  std::vector<std::string> stop_strings;  // the text before the first one is the answer
  bool include_stop_string = false;
  bool ignore_eos = false;
  bool skip_special = true;          // special tokens leave no text
  int32_t top_logprobs = -1;         // per new token: -1 none, 0 the token's own, n also the n likeliest
  bool prompt_logprobs = false;      // one event per prompt token first (OpenAI's echo with logprobs)
  int32_t priority = 0;              // lower ones go first
  std::string client;                // whose request it is: clients take turns
  std::string cache_salt;            // keys and values are shared only with requests of the same one
  uint32_t pin_seconds = 0;          // not 0: the prompt's full pages stay so long after their last use
  int32_t slot = -1;                 // that remembers the prompt; -1: the one that was used longest ago
  AdapterPtr adapter;                // null: the model as it is. REQUIRES: loaded by the same engine
  std::optional<BeamOptions> beams;  // answers come whole, best first; sampling is not used. REQUIRES: nothing that
                                     // constrains or stops the text or reasoning, no prompt_logprobs
  std::optional<ReasoningLimit> reasoning;
  std::optional<Constraint> constraint;  // on each answer, which ends (FinishReason::stop) when nothing may follow
};

enum class FinishReason : uint8_t { none, stop, length, cancelled, error };

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // natural log, of the model's distribution before temperature and penalties
};

struct TokenEvent {
  uint32_t sequence_index = 0;
  bool is_prompt = false;        // a prompt token's log-probability, not an answer
  std::optional<TokenId> token;  // absent in an event that only flushes text or finishes
  std::string text;              // whole characters that this token completes; may be empty
  std::optional<TokenLogprob> logprob;
  std::vector<TokenLogprob> top_logprobs;
  FinishReason finish = FinishReason::none;  // not none: the last event of this sequence
  std::string error;                         // with FinishReason::error
};

struct RequestTimings {
  double queue_ms = 0, prefill_ms = 0, decode_ms = 0;  // until it runs, until its first token, until its last one
  uint64_t prompt_tokens = 0, new_tokens = 0;
  uint64_t cached_tokens = 0;  // of the prompt, whose keys and values were there already
  uint64_t pinned_tokens = 0;  // of the prompt, whose keys and values stay: Request::pin_seconds
};

/// Called when every sequence of a request has finished, after its last event.
using OnDone = std::function<void(const RequestTimings&)>;
using OnToken = std::function<void(const TokenEvent&)>;
using RequestId = uint64_t;

/// What was or will be allocated, before it is. All in bytes.
struct MemoryPlan {
  uint64_t weights_bytes = 0;  // mapped from the file, less what packed_bytes replace
  uint64_t packed_bytes = 0;   // weights laid out anew: for int8, or from a quantized checkpoint
  uint64_t kv_cache_bytes = 0;
  uint64_t activation_bytes = 0;  // the arena, reused across layers
  uint64_t scratch_bytes = 0;     // logits and per-thread buffers
  uint64_t draft_bytes = 0;       // all of the draft model's
  uint64_t available_bytes = 0;   // what the machine had free when it was planned
  uint64_t kv_tokens = 0;         // tokens that kv_cache_bytes hold
  [[nodiscard]] uint64_t total_bytes() const {
    return weights_bytes + packed_bytes + kv_cache_bytes + activation_bytes + scratch_bytes + draft_bytes;
  }
};

enum class ModelKind : uint8_t { decoder, embedder, reranker };

struct ModelInfo {
  std::string name;          // folder or file name
  std::string architecture;  // "LlamaForCausalLM"
  std::string family;        // "llama"
  std::string format;        // "safetensors" or "gguf"
  ModelKind kind = ModelKind::decoder;
  uint64_t parameter_count = 0;
  std::vector<std::pair<std::string, uint64_t>> dtype_bytes;  // stored bytes of each dtype
  int64_t context_tokens = 0;
  int64_t vocabulary_size = 0, hidden_size = 0, layer_count = 0, head_count = 0, kv_head_count = 0, head_size = 0;
  std::string compute;   // "f32", "bf16" or "int8"
  std::string gemm;      // "kedge", or oneDNN with its version
  std::string kv_cache;  // as compute, or "int4"; empty: the model keeps none
  std::string isa;
  unsigned thread_count = 0;
  std::vector<std::string> labels;  // of a classification head, where it names them
  bool multi_label = false;         // any of them may hold at once: sigmoids, else a softmax
  int64_t sequences_max = 1;        // that run together
  bool packed_from_cache = false;   // packed_bytes of the plan are mapped from the cache
  std::string packed_not_stored;    // why they could not be kept there; empty: they could, or need not
};

struct EngineOptions {
  Compute compute = Compute::automatic;
  Gemm gemm = Gemm::automatic;
  KvCache kv_cache = KvCache::automatic;
  uint64_t kv_cache_bytes = 0;      // 0: as much as kv_tokens asks for, at most a quarter of the free memory
  uint32_t context_tokens = 0;      // 0: the model's own
  uint64_t kv_tokens = 0;           // tokens of all sequences together that it must hold; 0: one full context, or
                                    // 1024 for each of sequences_max
  uint32_t sequences_max = 0;       // sequences that run together; 0: 8
  uint32_t batch_tokens_max = 512;  // prompt tokens per forward pass
  uint32_t mixed_tokens_max = 256;  // prompt tokens of a step in which others decode: bounds the time between tokens
  bool prefix_cache = true;         // prompts that begin alike share keys and values
  /// Where pages go that the prefix cache gives up, to be read again: a folder for a nameless file; empty: nowhere.
  std::filesystem::path prefix_disk_folder;
  uint64_t prefix_disk_bytes = uint64_t{16} << 30;             // of that file at most
  std::function<void(const std::string& message)> on_warning;  // what an operator should know; any thread; may be empty
  Speculation speculation = Speculation::ngram;
  std::filesystem::path draft_model;  // guesses too, where that pays: a smaller model with the same tokens; empty: none
  uint32_t draft_tokens = 0;          // that it guesses at a time; 0: as many as make answers faster, perhaps none
  uint32_t lora_rank_max = 64;        // of adapters that load_adapter takes
  unsigned thread_count = 0;          // 0: one per physical core
  bool quantize_activations = false;  // as a quantized checkpoint's settings say (W8A8, FP8), on any `compute`
  bool plan_only = false;             // check and plan, map nothing that needs memory (kedge inspect)
  bool without_tokenizer = false;
  /// Where weights that are laid out anew are kept, to be mapped at the next start; empty: nowhere.
  std::filesystem::path packed_cache_folder;
  uint64_t packed_cache_bytes_max = 0;  // of all files there: those used longest ago are removed; 0: no limit
  std::function<void(uint64_t done, uint64_t total)> on_packing;  // while they are laid out, in bytes; may be empty
  std::filesystem::path chat_template_file;                       // overrides the model's own
  std::string random_weights;  // not empty: the model is a config.json, and weights of this type ("int8") are made up
};

struct ForwardOutput {
  int64_t token_count = 0, vocabulary_size = 0, hidden_size = 0;
  std::vector<float> logits;               // [token_count, vocabulary_size]
  std::vector<std::vector<float>> hidden;  // layer_count + 1 of [token_count, hidden_size], when asked for
};

struct ContinuationScore {
  std::vector<float> token_logprobs;  // natural log, one per continuation token
  double logprob = 0;                 // their sum
  bool is_greedy = true;              // every one was the argmax
};

enum class Pooling : uint8_t { from_model, mean, cls, last };

struct EmbedOptions {
  Pooling pooling = Pooling::from_model;
  std::optional<bool> normalize;  // L2; absent: as the model's modules.json says
};

enum class WorkKind : uint8_t { prefill, decode };

/// Work to be timed on random tokens. Sequences are `depth` tokens long before it: their keys and values are made up,
/// as no time depends on them.
struct Workload {
  WorkKind kind = WorkKind::prefill;
  uint32_t tokens = 512;   // prefill: of the prompt; decode: steps, each with one new token for every sequence
  uint32_t sequences = 1;  // decode
  uint32_t depth = 0;      // may exceed the model's context
  uint32_t repeats = 3;    // timed ones; one more warms up
  std::vector<AdapterPtr> adapters = {};  // of the sequences in turn; empty: none
};

/// What a workload asks of the machine at least: what bounds its speed. An operation is a multiplication or an
/// addition; attention and products of weights count.
struct WorkloadCost {
  double read_bytes = 0;  // weights once a forward pass, the keys and values of every sequence
  double f32_operations = 0, bf16_operations = 0, int8_operations = 0;  // by the type of the products
};

struct Measurement {
  std::vector<double> seconds;  // of each repeat
  WorkloadCost cost;            // of one repeat
};

/// What an engine does now and has done.
struct EngineStats {
  /// A histogram: how many took at most so long, with their sum.
  struct Times {
    std::vector<double> bounds;               // in seconds, ascending
    std::vector<uint64_t> cumulative_counts;  // one per bound, then one for all
    double sum = 0;
  };
  size_t running = 0, waiting = 0;               // requests
  double kv_usage = 0;                           // share of the KV cache that requests hold, 0 to 1
  uint64_t preemptions = 0;                      // sequences that had to wait for pages and were computed again
  uint64_t prefix_queries = 0, prefix_hits = 0;  // tokens of prompts that were looked up and found
  uint64_t prefix_disk_hits = 0;                 // of these, tokens that came from the disk
  uint64_t prefix_disk_pages = 0, prefix_disk_bytes = 0;    // that are there now
  uint64_t prefix_disk_written = 0, prefix_disk_drops = 0;  // pages: written, and not, as the disk was too slow
  uint64_t prefix_disk_errors = 0;                          // writes and reads that failed
  uint64_t prefix_pinned_pages = 0;
  uint64_t draft_tokens = 0, accepted_tokens = 0;  // guessed ahead, and of these what came
  Times step_seconds;
  double running_step_seconds = 0;  // how long the step that runs now has been running; 0: none does
};

/// A place for a request that runs. It remembers the last prompt that was computed there.
struct SlotInfo {
  size_t requests = 0;         // that run there now
  uint64_t prompt_tokens = 0;  // of the prompt that it remembers; 0: none
};

/// What was written to a slot's file, or read.
struct SlotTransfer {
  uint64_t tokens = 0;  // of the prompt's beginning, whose keys and values are in the file
  uint64_t bytes = 0;   // of the file
};

namespace text {
class ChatTemplate;
}

/// Serves one loaded model. Thread-safe. Destroyed only after every callback has returned.
class Engine {
 public:
  /// Maps the weights and allocates every buffer that serving will use; nothing grows later.
  /// `model`: a checkpoint folder or a .gguf file.
  /// Fails with not_found, corrupt_data, unsupported (architecture) or out_of_memory.
  static Result<std::unique_ptr<Engine>> open(const std::filesystem::path& model, const EngineOptions& options);

  virtual ~Engine() = default;

  [[nodiscard]] virtual const ModelInfo& info() const = 0;
  [[nodiscard]] virtual const MemoryPlan& plan() const = 0;
  /// Null when the model came without one (or was opened without_tokenizer).
  [[nodiscard]] virtual const Tokenizer* tokenizer() const = 0;
  [[nodiscard]] virtual const text::ChatTemplate* chat_template() const = 0;

  /// Queues a request; the callbacks run on the engine thread and must not block. Requests run together, and none
  /// changes another's tokens.
  /// Fails with invalid_input when the prompt can never fit the context or an option is out of range.
  virtual Result<RequestId> submit(Request request, OnToken on_token, OnDone on_done) = 0;

  /// Compiles a constraint, so that a request that has it starts at once.
  /// Fails with invalid_input: what is wrong, with its place in the source.
  virtual Status prepare(const Constraint& constraint) = 0;

  /// Reads a PEFT adapter's folder (adapter_config.json, adapter_model.safetensors) and checks it against the model, on
  /// the calling thread: requests run on meanwhile. Fails with not_found, corrupt_data, unsupported or out_of_memory,
  /// naming file, tensor, found and expected.
  virtual Result<AdapterPtr> load_adapter(const std::filesystem::path& folder) = 0;

  /// Idempotent. The last event of a cancelled request has FinishReason::cancelled.
  virtual void cancel(RequestId id) = 0;

  /// Requests queued and running.
  [[nodiscard]] virtual size_t pending_count() const = 0;

  [[nodiscard]] virtual EngineStats stats() const = 0;

  /// As many as requests may run together. Empty where prompts leave nothing behind.
  [[nodiscard]] virtual std::vector<SlotInfo> slots() const { return {}; }
  /// Writes the keys and values of a slot's prompt, as far as they are in memory, to a file that appears when it is
  /// whole. Fails with invalid_input: no such slot, it remembers nothing, or its prompt had an adapter.
  virtual Result<SlotTransfer> save_slot(size_t slot, const std::filesystem::path& file);
  /// Reads such a file, so that prompts with this beginning find it. Fails with not_found, corrupt_data, invalid_input:
  /// it is another model's, or its keys and values have another type.
  virtual Result<SlotTransfer> restore_slot(size_t slot, const std::filesystem::path& file);
  /// The slot's prompt is forgotten, with those of its keys and values that nobody uses; how many tokens they were of.
  virtual Result<uint64_t> erase_slot(size_t slot);

  /// Logits (and hidden states) at every position of one prompt, fed in chunks of `chunk_tokens` (0: all at once).
  virtual Result<ForwardOutput> forward(std::span<const TokenId> prompt, uint32_t chunk_tokens, bool hidden,
                                        const AdapterPtr& adapter = nullptr) = 0;

  /// Log-likelihood of a continuation after a context (lm-eval's loglikelihood). No token is added to either.
  virtual Result<ContinuationScore> score(std::span<const TokenId> context, std::span<const TokenId> continuation) = 0;

  /// Times a workload as serving would run it: prompts in chunks, the logits of the last token, decoding with the
  /// greedy choice of each next token. Waits for requests that came before, holds up those that come later. Fails with
  /// invalid_input when EngineOptions::sequences_max or kv_tokens leave no room for it, cancelled when `stop` asks for
  /// it.
  virtual Result<Measurement> measure(const Workload& workload, const std::stop_token& stop) = 0;

  /// One vector per sequence (ids complete with special tokens). Decoders embed too: from_model is then the last token.
  virtual Result<std::vector<std::vector<float>>> embed(std::span<const std::vector<TokenId>> sequences,
                                                        const EmbedOptions& options) = 0;

  /// Raw scores (no sigmoid) of complete pair sequences. Fails with unsupported unless kind is reranker and its head
  /// has one label.
  virtual Result<std::vector<float>> rerank(std::span<const std::vector<TokenId>> sequences) = 0;
  /// What a classification head says of each complete sequence, raw: one number a label of info(), or one alone. Fails
  /// with unsupported unless kind is reranker.
  virtual Result<std::vector<std::vector<float>>> classify(std::span<const std::vector<TokenId>> sequences);

  /// Ids of a text as the encoder wants them: special tokens added, cut to the model's max_seq_length with the final
  /// special token kept.
  [[nodiscard]] virtual Result<std::vector<TokenId>> encode_for_embedding(std::string_view text) const = 0;
  [[nodiscard]] virtual Result<std::vector<TokenId>> encode_for_rerank(std::string_view query,
                                                                       std::string_view passage) const = 0;
};

}  // namespace kedge
