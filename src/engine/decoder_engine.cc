#include "engine/decoder_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "core/memory_info.h"
#include "core/topology.h"
#include "engine/measure.h"
#include "models/decoder_weights.h"
#include "models/packed_weights.h"

namespace kedge::engine {
namespace {

constexpr uint32_t kSequenceCountMax = 128;
constexpr size_t kStopStringsMax = 64;
constexpr int32_t kTopLogprobsMax = 100;
constexpr int64_t kOutputsMax = 64;  // rows of logits of one forward pass, but for measured ones
constexpr uint64_t kKvTokensMax = uint64_t{1} << 34;

cpu::KvType choose_kv_type(KvCache asked, cpu::MatmulCompute compute) {
  switch (asked) {
    case KvCache::automatic:
      break;
    case KvCache::f32:
      return cpu::KvType::f32;
    case KvCache::bf16:
      return cpu::KvType::bf16;
    case KvCache::int8:
      return cpu::KvType::int8;
    case KvCache::int4:
      return cpu::KvType::int4;
  }
  return compute == cpu::MatmulCompute::f32 ? cpu::KvType::f32 : cpu::KvType::bf16;
}

uint64_t fresh_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// Copies the hidden states of consecutive chunks behind each other.
struct HiddenCollector {
  std::vector<std::vector<float>> states;
  size_t hidden_size = 0;
  size_t chunk_tokens = 0;  // of the pass at hand

  static void receive(void* context, int64_t layer, const float* rows) {
    auto& self = *static_cast<HiddenCollector*>(context);
    std::vector<float>& all = self.states[static_cast<size_t>(layer)];
    all.insert(all.end(), rows, rows + self.chunk_tokens * self.hidden_size);
  }
};

}  // namespace

void normalize_vector(std::vector<float>& vector) {
  double sum = 0;
  for (const float value : vector) sum += static_cast<double>(value) * value;
  const double norm = std::sqrt(sum);
  if (norm == 0) return;
  for (float& value : vector) value = static_cast<float>(value / norm);
}

std::vector<float> pool_states(std::span<const float> states, int64_t size, Pooling pooling) {
  const auto width = static_cast<size_t>(size);
  if (pooling == Pooling::cls) return {states.begin(), states.begin() + size};
  if (pooling == Pooling::last) return {states.end() - size, states.end()};
  std::vector<double> sum(width, 0.0);
  const size_t count = states.size() / width;
  for (size_t i = 0; i < states.size(); ++i) sum[i % width] += states[i];
  std::vector<float> mean(width);
  for (size_t j = 0; j < width; ++j) mean[j] = static_cast<float>(sum[j] / static_cast<double>(count));
  return mean;
}

Result<std::unique_ptr<Engine>> DecoderEngine::open(LoadedModel model, const EngineOptions& options) {
  std::unique_ptr<DecoderEngine> engine(new DecoderEngine(std::move(model), options));
  KEDGE_TRY(engine->make_plan());
  if (!options.plan_only) {
    KEDGE_TRY(check_plan(engine->model_.info, engine->plan_));
    KEDGE_TRY(engine->allocate());
  }
  return std::unique_ptr<Engine>(std::move(engine));
}

int64_t DecoderEngine::sequences_max() const {
  return std::max<int64_t>(options_.sequences_max, kSequencesMax);
}

DecoderEngine::PassLimits DecoderEngine::pass_limits() const {
  const int64_t chunk = std::min<int64_t>(options_.batch_tokens_max, model_.info.context_tokens);
  const int64_t outputs = std::min<int64_t>(kOutputsMax, std::max<int64_t>(chunk, kSequencesMax));
  const int64_t sequences = sequences_max();
  return {.chunk = chunk, .tokens = std::max(chunk, sequences), .outputs = std::max(outputs, sequences)};
}

Status DecoderEngine::make_plan() {
  ModelInfo& info = model_.info;
  const models::Quantization* const quantization = model_.source->quantization();
  if (options_.quantize_activations &&
      (quantization == nullptr || quantization->input.kind == cpu::InputRoundingKind::none)) {
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: activations are not quantized in this checkpoint, and --quantize-activations was given",
                    info.name)};
  }
  if (options_.batch_tokens_max == 0) options_.batch_tokens_max = 512;
  if (options_.context_tokens > 0) {
    info.context_tokens = std::min<int64_t>(info.context_tokens, options_.context_tokens);
  }
  plan_.available_bytes = available_memory_bytes();
  for (const auto& [dtype, bytes] : info.dtype_bytes) plan_.weights_bytes += bytes;
  const PassLimits limits = pass_limits();
  const uint64_t logits = static_cast<uint64_t>(limits.outputs * spec().vocabulary_size) * sizeof(float);
  plan_.activation_bytes = models::Decoder::buffer_bytes(spec(), limits.tokens, limits.outputs) - logits;
  plan_.scratch_bytes = logits;
  KEDGE_TRY(plan_layout());
  KEDGE_TRY(plan_kv_cache());
  info.thread_count = options_.thread_count > 0 ? options_.thread_count : WorkerPool::physical_core_count();
  return Done{};
}

Status DecoderEngine::plan_kv_cache() {
  ModelInfo& info = model_.info;
  const bool asked = options_.kv_tokens > 0;  // for so many: no fewer will do
  const cpu::KvType type = choose_kv_type(options_.kv_cache, model_.compute);
  info.kv_cache = cpu::name_of(type);
  const uint64_t budget = options_.kv_cache_bytes > 0 ? options_.kv_cache_bytes : plan_.available_bytes / 4;
  const int64_t sequences = sequences_max() + 1, chunk = pass_limits().chunk;
  int64_t tokens = asked ? static_cast<int64_t>(std::min(options_.kv_tokens, kKvTokensMax)) : info.context_tokens;
  layout_ = KvLayout::plan(spec(), type, tokens, sequences, chunk);
  while (!asked && layout_.bytes() > budget && tokens > kPageTokens) {
    tokens = std::max(kPageTokens, tokens / 2 + tokens / 4);
    layout_ = KvLayout::plan(spec(), type, tokens, sequences, chunk);
  }
  plan_.kv_cache_bytes = layout_.bytes();
  plan_.kv_tokens = static_cast<uint64_t>(tokens);
  if (layout_.bytes() > budget && options_.kv_cache_bytes > 0) {
    return Error{ErrorKind::out_of_memory,
                 fmt::format("{}: the KV cache needs at least {} bytes ({} tokens), and --kv-cache-bytes allows {}",
                             info.name, layout_.bytes(), tokens, budget)};
  }
  if (!asked) info.context_tokens = tokens;
  return Done{};
}

Status DecoderEngine::plan_layout() {
  KEDGE_ASSIGN(const models::DecoderWeights weights, models::load_decoder_weights(spec(), *model_.source));
  const bool pack = model_.compute == cpu::MatmulCompute::int8;
  const models::LayoutPlan layout = models::plan_layout(weights, {.compute = model_.compute, .onednn = model_.onednn});
  if (model_.onednn && layout.blocked_bytes == 0) {
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: --gemm onednn takes weights of type F32 (--compute f32 or bf16), BF16 (bf16) and INT8 "
                    "with one scale a row (int8), where {} has block kernels, and none of the model's are",
                    model_.info.name, model_.info.gemm)};
  }
  if (pack && !model_.onednn && layout.packed_bytes == 0) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: --compute int8 needs weights of 2 to 8 bits (block types of GGUF, INT4 or INT8), "
                             "and the model has none",
                             model_.info.name)};
  }
  plan_.packed_bytes = layout.bytes();
  plan_.weights_bytes -= std::min(plan_.weights_bytes, layout.replaced_bytes);
  return Done{};
}

Status DecoderEngine::allocate() {
  const PassLimits limits = pass_limits();
  workers_ = std::make_unique<WorkerPool>(model_.info.thread_count, true);
  KEDGE_TRY(model_.source->materialize(*workers_, model_.compute == cpu::MatmulCompute::int8));
  KEDGE_ASSIGN(decoder_, models::Decoder::open(
                             *workers_, spec(), model_.source,
                             {.compute = model_.compute,
                              .onednn = model_.onednn,
                              .round_inputs = options_.quantize_activations,
                              .tokens_max = limits.tokens,
                              .outputs_max = limits.outputs,
                              .layout = {.cache_folder = options_.random_weights.empty() ? options_.packed_cache_folder
                                                                                         : std::filesystem::path(),
                                         .cache_bytes_max = options_.packed_cache_bytes_max,
                                         .cache_name = model_.info.name,
                                         .source_key = model_.source_key,
                                         .on_progress = options_.on_packing}}));
  model_.info.packed_from_cache = decoder_->laid_out().file != nullptr;
  if (decoder_->laid_out().not_stored) model_.info.packed_not_stored = decoder_->laid_out().not_stored->message;
  KEDGE_ASSIGN(kv_pool_, KvPool::create(layout_));
  context_ = {.runtime = {decoder_.get(), kv_pool_.get(), workers_.get(), limits.chunk, limits.outputs},
              .tokenizer = model_.tokenizer.get(),
              .end_tokens = model_.settings.end_tokens,
              .context_tokens = model_.info.context_tokens};
  if (model_.tokenizer != nullptr) {
    constraints_ = std::make_unique<grammar::ConstraintCompiler>(*model_.tokenizer, model_.settings.end_tokens);
  }
  // Where every core has a worker, this thread, which is the first one, must not wander onto another's.
  const bool full = workers_->size() > 1 && workers_->size() == topology().cores.size();
  jobs_ = std::make_unique<JobThread>(full ? topology().cores.front().cpu : -1);
  return Done{};
}

Status DecoderEngine::check_tokens(std::span<const TokenId> tokens) const {
  if (tokens.empty()) return Error{ErrorKind::invalid_input, "the prompt is empty, expected at least one token"};
  const int64_t context = model_.info.context_tokens;
  if (std::cmp_greater(tokens.size(), context)) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("the prompt has {} tokens, and the context holds {}", tokens.size(), context)};
  }
  for (const TokenId token : tokens) {
    if (token < 0 || token >= spec().vocabulary_size) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("token id {} is outside the vocabulary of {}", token, spec().vocabulary_size)};
    }
  }
  return Done{};
}

Status DecoderEngine::check_request(const Request& request) const {
  KEDGE_TRY(check_tokens(request.prompt_tokens));
  KEDGE_TRY(check_sampling(request.sampling, spec().vocabulary_size));
  if (request.new_tokens_max > 0 && std::cmp_greater_equal(request.prompt_tokens.size(), model_.info.context_tokens)) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("the prompt has {} tokens, which leaves no room in the context of {}",
                             request.prompt_tokens.size(), model_.info.context_tokens)};
  }
  if (request.sequence_count < 1 || request.sequence_count > kSequenceCountMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("n is {}, expected 1 to {}", request.sequence_count, kSequenceCountMax)};
  }
  if (request.stop_strings.size() > kStopStringsMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{} stop strings, expected at most {}", request.stop_strings.size(), kStopStringsMax)};
  }
  if (request.top_logprobs > kTopLogprobsMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("top_logprobs is {}, expected at most {}", request.top_logprobs, kTopLogprobsMax)};
  }
  return Done{};
}

Result<RequestId> DecoderEngine::submit(Request request, OnToken on_token, OnDone on_done) {
  KEDGE_TRY(check_request(request));
  std::shared_ptr<const grammar::BoundGrammar> constraint;
  if (request.constraint) {
    KEDGE_ASSIGN(constraint, compile(*request.constraint));
  }
  const uint64_t seed = request.sampling.seed.value_or(fresh_seed());
  const auto queued = std::chrono::steady_clock::now();
  return jobs_->add([this, request = std::move(request), constraint = std::move(constraint), seed, queued,
                     on_token = std::move(on_token), on_done = std::move(on_done)](const std::atomic<bool>& cancelled) {
    const double queue_ms = milliseconds_since(queued);
    RequestTimings timings = Generation(context_, {request, constraint, seed}, on_token, cancelled).run();
    timings.queue_ms = queue_ms;
    if (on_done) on_done(timings);
  });
}

Status DecoderEngine::prepare(const Constraint& constraint) {
  KEDGE_ASSIGN(const auto unused, compile(constraint));
  static_cast<void>(unused);
  return Done{};
}

Result<std::shared_ptr<const grammar::BoundGrammar>> DecoderEngine::compile(const Constraint& constraint) {
  if (constraints_ == nullptr) {
    return Error{ErrorKind::invalid_input, "answers can be constrained only where the model has a tokenizer"};
  }
  return constraints_->compile(constraint);
}

Result<ForwardOutput> DecoderEngine::forward(std::span<const TokenId> prompt, uint32_t chunk_tokens, bool hidden) {
  KEDGE_TRY(check_tokens(prompt));
  return jobs_->run_and_wait([&] { return forward_now(prompt, chunk_tokens, hidden); });
}

Result<ForwardOutput> DecoderEngine::forward_now(std::span<const TokenId> prompt, uint32_t chunk_tokens, bool hidden) {
  ForwardOutput output{.token_count = static_cast<int64_t>(prompt.size()),
                       .vocabulary_size = spec().vocabulary_size,
                       .hidden_size = spec().hidden_size};
  HiddenCollector collector{
      .states = std::vector<std::vector<float>>(hidden ? static_cast<size_t>(spec().layer_count) + 1 : 0),
      .hidden_size = static_cast<size_t>(spec().hidden_size)};
  SequenceKv kv(*kv_pool_);
  int64_t chunk = std::min<int64_t>(context_.runtime.batch_tokens_max, context_.runtime.outputs_max);
  if (chunk_tokens > 0) chunk = std::min<int64_t>(chunk, chunk_tokens);
  // One feed a chunk: the collector must know how many tokens a pass has.
  for (size_t first = 0; first < prompt.size(); first += static_cast<size_t>(chunk)) {
    const std::span<const TokenId> part =
        prompt.subspan(first, std::min<size_t>(static_cast<size_t>(chunk), prompt.size() - first));
    collector.chunk_tokens = part.size();
    const Feed piece{.tokens = part,
                     .length = output.token_count,
                     .outputs = Outputs::all,
                     .sink = hidden ? HiddenCollector::receive : nullptr,
                     .sink_context = &collector};
    KEDGE_TRY(feed(context_.runtime, kv, piece, [&](int64_t, std::span<const float> logits) {
      output.logits.insert(output.logits.end(), logits.begin(), logits.end());
    }));
  }
  output.hidden = std::move(collector.states);
  return output;
}

Result<ContinuationScore> DecoderEngine::score(std::span<const TokenId> context,
                                               std::span<const TokenId> continuation) {
  KEDGE_TRY(check_tokens(context));
  KEDGE_TRY(check_tokens(continuation));
  if (std::cmp_greater(context.size() + continuation.size(), model_.info.context_tokens + 1)) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("context and continuation have {} tokens, and the context holds {}",
                             context.size() + continuation.size(), model_.info.context_tokens)};
  }
  return jobs_->run_and_wait([&] { return score_now(context, continuation); });
}

Result<ContinuationScore> DecoderEngine::score_now(std::span<const TokenId> context,
                                                   std::span<const TokenId> continuation) {
  std::vector<TokenId> tokens(context.begin(), context.end());
  tokens.insert(tokens.end(), continuation.begin(), continuation.end() - 1);  // the last one is only predicted
  SequenceKv kv(*kv_pool_);
  ContinuationScore score;
  const auto vocabulary = static_cast<size_t>(spec().vocabulary_size);
  const Feed whole{.tokens = tokens,
                   .length = static_cast<int64_t>(tokens.size()),
                   .outputs = Outputs::all,
                   .outputs_from = static_cast<int64_t>(context.size()) - 1};
  KEDGE_TRY(feed(context_.runtime, kv, whole, [&](int64_t, std::span<const float> logits) {
    for (size_t row = 0; row < logits.size() / vocabulary; ++row) {
      const std::span<const float> values = logits.subspan(row * vocabulary, vocabulary);
      const TokenId target = continuation[score.token_logprobs.size()];
      const float logprob = logprob_of(values, target).logprob;
      score.token_logprobs.push_back(logprob);
      score.logprob += logprob;
      score.is_greedy = score.is_greedy && cpu::argmax(values.data(), spec().vocabulary_size) == target;
    }
  }));
  return score;
}

Result<Measurement> DecoderEngine::measure(const Workload& workload, const std::stop_token& stop) {
  return jobs_->run_and_wait([&]() -> Result<Measurement> {
    if (!kv_filled_) fill_pages(*workers_, *kv_pool_);
    kv_filled_ = true;
    return time_workload(context_.runtime, workload, stop);
  });
}

Result<std::vector<std::vector<float>>> DecoderEngine::embed(std::span<const std::vector<TokenId>> sequences,
                                                             const EmbedOptions& options) {
  for (const std::vector<TokenId>& sequence : sequences) KEDGE_TRY(check_tokens(sequence));
  return jobs_->run_and_wait([&]() -> Result<std::vector<std::vector<float>>> {
    std::vector<std::vector<float>> vectors;
    for (const std::vector<TokenId>& sequence : sequences) {
      KEDGE_ASSIGN(std::vector<float> vector, embed_now(sequence, options));
      vectors.push_back(std::move(vector));
    }
    return vectors;
  });
}

Result<std::vector<float>> DecoderEngine::embed_now(std::span<const TokenId> tokens, const EmbedOptions& options) {
  const auto last_layer = static_cast<size_t>(spec().layer_count);
  KEDGE_ASSIGN(const ForwardOutput output, forward_now(tokens, 0, true));
  const Pooling pooling = options.pooling == Pooling::from_model ? Pooling::last : options.pooling;
  std::vector<float> vector = pool_states(output.hidden[last_layer], spec().hidden_size, pooling);
  if (options.normalize.value_or(true)) normalize_vector(vector);
  return vector;
}

Result<std::vector<float>> DecoderEngine::rerank(std::span<const std::vector<TokenId>>) {
  return Error{ErrorKind::unsupported, fmt::format("{}: {} is no reranker, expected a model with a classification head",
                                                   model_.info.name, model_.info.architecture)};
}

Result<std::vector<TokenId>> DecoderEngine::encode_for_embedding(std::string_view text) const {
  if (model_.tokenizer == nullptr) {
    return Error{ErrorKind::unsupported, fmt::format("{}: the model has no tokenizer", model_.info.name)};
  }
  KEDGE_ASSIGN(std::vector<TokenId> ids, model_.tokenizer->encode(text, {.add_special = true}));
  if (std::cmp_greater(ids.size(), model_.info.context_tokens))
    ids.resize(static_cast<size_t>(model_.info.context_tokens));
  return ids;
}

Result<std::vector<TokenId>> DecoderEngine::encode_for_rerank(std::string_view, std::string_view) const {
  return Error{ErrorKind::unsupported,
               fmt::format("{}: {} is no reranker", model_.info.name, model_.info.architecture)};
}

}  // namespace kedge::engine
