#include "engine/decoder_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <random>
#include <utility>

#include "core/memory_info.h"
#include "core/topology.h"
#include "engine/measure.h"
#include "models/adapter.h"
#include "models/decoder_weights.h"
#include "models/packed_weights.h"

namespace kedge::engine {
namespace {

constexpr uint32_t kSequenceCountMax = 128;
constexpr size_t kStopStringsMax = 64;
constexpr int32_t kTopLogprobsMax = 100;
constexpr int64_t kOutputsMax = 64;  // rows of logits of one forward pass, but for more sequences
constexpr int64_t kSequencesDefault = 8;
constexpr uint32_t kSequencesMax = 1 << 14;
constexpr int64_t kSequenceTokens = 1024;  // of the KV cache for each sequence, where several were asked for
constexpr uint32_t kDraftSequences = 8;    // that a draft model keeps keys and values of
constexpr uint64_t kStagingBytes = uint64_t{32} << 20, kSmallPagesStaged = 1024;
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

/// Whether what one model says the other one reads: the same text at each id. A vocabulary may be padded further.
bool same_vocabulary(const Tokenizer* a, const Tokenizer* b) {
  if (a == nullptr || b == nullptr) return a == b;
  const auto known = static_cast<TokenId>(std::min(a->vocabulary_size(), b->vocabulary_size()));
  for (TokenId id = 0; id < known; ++id) {
    if (a->token_bytes(id) != b->token_bytes(id)) return false;
  }
  return a->bos() == b->bos();
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
  return options_.sequences_max > 0 ? options_.sequences_max : kSequencesDefault;
}

DecoderEngine::PassLimits DecoderEngine::pass_limits() const {
  const int64_t chunk = std::min<int64_t>(options_.batch_tokens_max, model_.info.context_tokens);
  const int64_t sequences = sequences_max();
  const int64_t outputs = std::min<int64_t>(kOutputsMax, std::max<int64_t>(chunk, kSequencesDefault));
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
  if (options_.mixed_tokens_max == 0) options_.mixed_tokens_max = options_.batch_tokens_max;
  options_.sequences_max = std::min(options_.sequences_max, kSequencesMax);
  if (options_.context_tokens > 0) {
    info.context_tokens = std::min<int64_t>(info.context_tokens, options_.context_tokens);
  }
  info.sequences_max = sequences_max();
  info.thread_count = options_.thread_count > 0 ? options_.thread_count : WorkerPool::physical_core_count();
  plan_.available_bytes = available_memory_bytes();
  for (const auto& [dtype, bytes] : info.dtype_bytes) plan_.weights_bytes += bytes;
  const PassLimits limits = pass_limits();
  const uint64_t logits = static_cast<uint64_t>(limits.outputs * spec().vocabulary_size) * sizeof(float);
  plan_.activation_bytes = models::Decoder::buffer_bytes(spec(), limits.tokens, limits.outputs) - logits;
  // A row for each worker, and one for each request whose answers have not all begun.
  const auto rows = static_cast<uint64_t>(sequences_max()) + info.thread_count;
  plan_.scratch_bytes = logits + rows * static_cast<uint64_t>(spec().vocabulary_size) * sizeof(float);
  KEDGE_TRY(plan_layout());
  KEDGE_TRY(plan_kv_cache());
  KEDGE_TRY(plan_store());
  return options_.draft_model.empty() ? Done{} : add_draft();
}

Status DecoderEngine::add_draft() {
  EngineOptions options = options_;
  options.draft_model.clear();
  options.random_weights.clear();
  options.quantize_activations = false;
  options.prefix_cache = false;
  options.prefix_disk_folder.clear();
  options.kv_cache_bytes = 0;
  options.kv_tokens = 0;
  options.sequences_max = std::min<uint32_t>(options.sequences_max, kDraftSequences);
  options.context_tokens = static_cast<uint32_t>(model_.info.context_tokens);
  KEDGE_ASSIGN(LoadedModel loaded, load_model(options_.draft_model, options));
  if (loaded.info.kind != ModelKind::decoder) {
    return Error{ErrorKind::invalid_input, fmt::format("{}: the draft model does not generate text", loaded.info.name)};
  }
  if (!same_vocabulary(model_.tokenizer.get(), loaded.tokenizer.get())) {
    return Error{
        ErrorKind::invalid_input,
        fmt::format("{}: the draft model has other tokens than {}, expected a smaller model of the same family",
                    loaded.info.name, model_.info.name)};
  }
  draft_.reset(new DecoderEngine(std::move(loaded), options));
  KEDGE_TRY(draft_->make_plan());
  plan_.draft_bytes = draft_->plan_.total_bytes();
  return Done{};
}

Status DecoderEngine::allocate_draft() {
  draft_->workers_ = workers_;
  KEDGE_TRY(draft_->allocate_model());
  const auto weights = [](const MemoryPlan& plan) {
    return static_cast<double>(plan.weights_bytes + plan.packed_bytes);
  };
  draft_model_ = std::make_unique<DraftModel>(draft_->runtime_, spec().vocabulary_size,
                                              weights(draft_->plan_) / std::max(weights(plan_), 1.0));
  return Done{};
}

Status DecoderEngine::plan_kv_cache() {
  ModelInfo& info = model_.info;
  const bool asked = options_.kv_tokens > 0;  // for so many: no fewer will do
  const cpu::KvType type = choose_kv_type(options_.kv_cache, model_.compute);
  info.kv_cache = cpu::name_of(type);
  const uint64_t budget = options_.kv_cache_bytes > 0 ? options_.kv_cache_bytes : plan_.available_bytes / 4;
  const int64_t sequences = sequences_max() + 1, chunk = pass_limits().chunk;
  int64_t tokens = info.context_tokens;
  if (options_.sequences_max > 0) tokens = std::max(tokens, sequences_max() * std::min(tokens, kSequenceTokens));
  if (asked) tokens = static_cast<int64_t>(std::min(options_.kv_tokens, kKvTokensMax));
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
  if (!asked) info.context_tokens = std::min(info.context_tokens, tokens);
  return Done{};
}

std::vector<uint64_t> DecoderEngine::page_bytes() const {
  std::vector<uint64_t> bytes;
  for (size_t group = 0; group < layout_.groups.size(); ++group) bytes.push_back(layout_.page_bytes(group));
  return bytes;
}

/// On their way to the disk: what a chunk of a prompt may push out, and more of small ones.
size_t DecoderEngine::staged_pages_max() const {
  const std::vector<uint64_t> bytes = page_bytes();
  const auto of_chunk = static_cast<uint64_t>(pass_limits().chunk / kPageTokens + 1) * bytes.size();
  const uint64_t small = kStagingBytes / *std::ranges::max_element(bytes);
  return static_cast<size_t>(std::max(of_chunk, std::min(small, kSmallPagesStaged)));
}

Status DecoderEngine::plan_store() {
  if (options_.prefix_disk_folder.empty()) return Done{};
  if (!options_.prefix_cache) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: pages are to be kept on disk (--prefix-cache-disk), and there is no prefix cache "
                             "(--no-prefix-cache); expected one of the two",
                             model_.info.name)};
  }
  plan_.scratch_bytes += PrefixStore::staging_bytes(page_bytes(), staged_pages_max());
  return Done{};
}

/// From here on the pool's pages go to the file.
void DecoderEngine::open_store() {
  if (page_file_ == nullptr) return;
  prefix_store_ =
      std::make_unique<PrefixStore>(std::move(page_file_), PrefixStore::Options{.page_bytes = page_bytes(),
                                                                                .bytes_max = options_.prefix_disk_bytes,
                                                                                .staged_max = staged_pages_max(),
                                                                                .on_warning = options_.on_warning});
  kv_pool_->attach(prefix_store_.get());
  runtime_.prefix_store = prefix_store_.get();
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

/// Weights, buffers and pages.
Status DecoderEngine::allocate_model() {
  const PassLimits limits = pass_limits();
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
  runtime_ = {.decoder = decoder_.get(),
              .kv_pool = kv_pool_.get(),
              .workers = workers_.get(),
              .batch_tokens_max = limits.chunk,
              .outputs_max = limits.outputs};
  return Done{};
}

Status DecoderEngine::allocate() {
  if (!options_.prefix_disk_folder.empty()) {
    KEDGE_ASSIGN(page_file_, open_page_file(options_.prefix_disk_folder));
  }
  workers_ = std::make_shared<WorkerPool>(model_.info.thread_count, true);
  KEDGE_TRY(allocate_model());
  open_store();
  slots_ = std::make_unique<SlotTable>(static_cast<size_t>(sequences_max()));
  runtime_.slots = slots_.get();
  if (draft_) KEDGE_TRY(allocate_draft());
  const PassLimits limits = pass_limits();
  context_ = {.tokenizer = model_.tokenizer.get(),
              .end_tokens = model_.settings.end_tokens,
              .context_tokens = std::min(model_.info.context_tokens, static_cast<int64_t>(plan_.kv_tokens))};
  if (model_.tokenizer != nullptr) {
    constraints_ = std::make_unique<grammar::ConstraintCompiler>(*model_.tokenizer, model_.settings.end_tokens);
  }
  const SchedulerLimits scheduling{.sequences = sequences_max(),
                                   .step_tokens = limits.chunk,
                                   .mixed_prefill = std::min<int64_t>(options_.mixed_tokens_max, limits.chunk),
                                   .outputs = limits.outputs};
  // Where every core has a worker, this thread, which is the first one, must not wander onto another's.
  const bool full = workers_->size() > 1 && workers_->size() == topology().cores.size();
  thread_ = std::make_unique<EngineThread>(runtime_, context_,
                                           EngineThread::Options{.limits = scheduling,
                                                                 .guessing = {.speculation = options_.speculation,
                                                                              .model = draft_model_.get(),
                                                                              .model_tokens = options_.draft_tokens},
                                                                 .cpu = full ? topology().cores.front().cpu : -1});
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

Status DecoderEngine::check_reasoning(const ReasoningLimit& limit) const {
  if (limit.end.empty() || limit.end_tokens.empty()) {
    return Error{ErrorKind::invalid_input, "a limit on reasoning has no mark that ends it"};
  }
  return check_tokens(limit.end_tokens);
}

Status DecoderEngine::check_request(const Request& request) const {
  KEDGE_TRY(check_tokens(request.prompt_tokens));
  KEDGE_TRY(check_sampling(request.sampling, spec().vocabulary_size));
  const size_t room = request.prompt_tokens.size() + (request.new_tokens_max > 0 ? 1 : 0);
  if (std::cmp_greater(room, context_.context_tokens)) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("the prompt has {} tokens, which leaves no room in the context of {}",
                             request.prompt_tokens.size(), context_.context_tokens)};
  }
  if (request.sequence_count < 1 || request.sequence_count > kSequenceCountMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("n is {}, expected 1 to {}", request.sequence_count, kSequenceCountMax)};
  }
  if (request.stop_strings.size() > kStopStringsMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{} stop strings, expected at most {}", request.stop_strings.size(), kStopStringsMax)};
  }
  if (request.beams) KEDGE_TRY(check_beams(request));
  if (request.slot >= sequences_max()) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("id_slot is {}, expected less than {}, or -1 for any", request.slot, sequences_max())};
  }
  if (request.reasoning) KEDGE_TRY(check_reasoning(*request.reasoning));
  if (request.top_logprobs > kTopLogprobsMax) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("top_logprobs is {}, expected at most {}", request.top_logprobs, kTopLogprobsMax)};
  }
  return Done{};
}

Status DecoderEngine::check_beams(const Request& request) const {
  const BeamOptions& beams = *request.beams;
  if (beams.width < request.sequence_count || beams.width > kBeamWidthMax) {
    return Error{ErrorKind::invalid_input, fmt::format("{} beams for {} answers, expected as many or more, at most {}",
                                                       beams.width, request.sequence_count, kBeamWidthMax)};
  }
  if (request.constraint || request.reasoning || !request.stop_strings.empty() || request.prompt_logprobs) {
    return Error{
        ErrorKind::invalid_input,
        "beam search takes no constraint, no limit of reasoning, no stop strings and gives no log-probabilities of "
        "the prompt"};
  }
  return Done{};
}

Result<RequestId> DecoderEngine::submit_beams(Request request, OnToken on_token, OnDone on_done) {
  RequestId id = 0;
  {
    const std::lock_guard lock(searches_mutex_);
    id = next_search_++;
  }
  BeamSearch::Host host{
      .submit = [this](Request step, OnToken token,
                       OnDone done) { return submit(std::move(step), std::move(token), std::move(done)); },
      .cancel = [this](RequestId step) { thread_->cancel(step); },
      .over =
          [this, id] {
            const std::lock_guard lock(searches_mutex_);
            searches_.erase(id);
          },
      .context = &context_};
  const auto search =
      std::make_shared<BeamSearch>(std::move(host), std::move(request), std::move(on_token), std::move(on_done));
  {
    const std::lock_guard lock(searches_mutex_);
    searches_[id] = search;
  }
  const Status started = search->start();
  if (started.ok()) return id;
  const std::lock_guard lock(searches_mutex_);
  searches_.erase(id);
  return started.error();
}

void DecoderEngine::cancel(RequestId id) {
  if (id < kFirstSearch) return thread_->cancel(id);
  std::shared_ptr<BeamSearch> search;
  {
    const std::lock_guard lock(searches_mutex_);
    const auto found = searches_.find(id);
    if (found != searches_.end()) search = found->second.lock();
  }
  if (search != nullptr) search->cancel();
}

std::vector<BlockHash> DecoderEngine::hashes_of(const Request& request, const LoadedAdapter* adapter) const {
  if (!options_.prefix_cache) return {};
  const int64_t rope = runtime_.rope_key(static_cast<int64_t>(request.prompt_tokens.size()));
  return hash_blocks(
      hash_key_, request.prompt_tokens, kPageTokens,
      {.rope = rope, .text = request.cache_salt, .adapter = adapter != nullptr ? adapter->digest() : BlockHash{}});
}

Result<AdapterPtr> DecoderEngine::load_adapter(const std::filesystem::path& folder) {
  std::error_code ignored;
  const uintmax_t file_bytes = std::filesystem::file_size(folder / "adapter_model.safetensors", ignored);
  const uint64_t available = available_memory_bytes();
  if (!ignored && file_bytes > available / 2) {  // it is read whole, and laid out beside what was read
    return Error{ErrorKind::out_of_memory,
                 fmt::format("{}: the adapter has {} bytes, twice as many are needed to load it, "
                             "and {} are available",
                             folder.string(), file_bytes, available)};
  }
  KEDGE_ASSIGN(const models::AdapterFiles files, models::read_adapter_files(folder));
  // No wider than the weights beside which they are read.
  const DType dtype = model_.compute == cpu::MatmulCompute::f32    ? DType::f32
                      : model_.compute == cpu::MatmulCompute::int8 ? DType::q8_0
                                                                   : DType::bf16;
  KEDGE_ASSIGN(auto weights, models::Adapter::load(files, spec(), decoder_->weights(),
                                                   {.rank_max = options_.lora_rank_max, .dtype = dtype}));
  const BlockHash of_config = siphash128(hash_key_, std::as_bytes(std::span(files.config)));
  const BlockHash of_tensors = siphash128(hash_key_, std::as_bytes(std::span(files.tensors)));
  const BlockHash both[] = {of_config, of_tensors};
  const BlockHash digest = siphash128(hash_key_, std::as_bytes(std::span(both)));
  return AdapterPtr(std::make_shared<const LoadedAdapter>(this, ++adapters_loaded_, digest, std::move(weights)));
}

Result<std::shared_ptr<const LoadedAdapter>> DecoderEngine::own(const AdapterPtr& adapter) const {
  auto loaded = std::dynamic_pointer_cast<const LoadedAdapter>(adapter);
  if (adapter != nullptr && (loaded == nullptr || loaded->owner() != this)) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("the adapter was loaded for another model than {}", model_.info.name)};
  }
  return loaded;
}

Result<RequestId> DecoderEngine::submit(Request request, OnToken on_token, OnDone on_done) {
  KEDGE_TRY(check_request(request));
  if (request.beams && request.new_tokens_max > 0) {
    return submit_beams(std::move(request), std::move(on_token), std::move(on_done));
  }
  auto submission = std::make_shared<Submission>();
  if (request.constraint) {
    KEDGE_ASSIGN(submission->constraint, compile(*request.constraint));
  }
  submission->queued = std::chrono::steady_clock::now();
  submission->seed = request.sampling.seed.value_or(fresh_seed());
  KEDGE_ASSIGN(submission->adapter, own(request.adapter));
  submission->hashes = hashes_of(request, submission->adapter.get());
  submission->request = std::move(request);
  submission->on_token = std::move(on_token);
  submission->on_done = std::move(on_done);
  return thread_->submit(std::move(submission));
}

EngineStats DecoderEngine::stats() const {
  const BatchCounters& counters = thread_->counters();
  static const PrefixStore::Counters nothing;
  const PrefixStore::Counters& disk = prefix_store_ != nullptr ? prefix_store_->counters() : nothing;
  return {.running = counters.running,
          .waiting = counters.waiting,
          .kv_usage = counters.kv_usage,
          .preemptions = counters.preemptions,
          .prefix_queries = counters.prefix_queries,
          .prefix_hits = counters.prefix_hits,
          .prefix_disk_hits = counters.prefix_disk_hits,
          .prefix_disk_pages = disk.pages,
          .prefix_disk_bytes = disk.bytes,
          .prefix_disk_written = disk.written,
          .prefix_disk_drops = disk.dropped,
          .prefix_disk_errors = disk.errors,
          .prefix_pinned_pages = counters.prefix_pinned,
          .draft_tokens = counters.draft_tokens,
          .accepted_tokens = counters.accepted_tokens,
          .step_seconds = thread_->step_stats().snapshot(),
          .running_step_seconds = thread_->step_clock().seconds()};
}

Status DecoderEngine::feed_between_steps(Feed feed, const std::function<void(int64_t)>& on_chunk,
                                         const OnLogits& on_logits) {
  feed.make_room = [this] { return thread_->make_room(); };
  Status status = Done{};
  std::optional<SequenceKv> kv;
  int64_t fed = 0;
  thread_->run_task(TaskKind::between_steps, [&](int64_t tokens_max) {
    if (!kv) kv.emplace(*kv_pool_);
    const Result<int64_t> count = feed_chunk(runtime_, *kv, feed, {fed, tokens_max, on_chunk}, on_logits);
    if (count.ok()) {
      fed += count.value();
      if (std::cmp_less(fed, feed.tokens.size())) return false;
    } else {
      status = count.error();
    }
    kv.reset();  // on this thread, which owns the pages
    return true;
  });
  return status;
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

Result<ForwardOutput> DecoderEngine::forward(std::span<const TokenId> prompt, uint32_t chunk_tokens, bool hidden,
                                             const AdapterPtr& adapter) {
  KEDGE_TRY(check_tokens(prompt));
  KEDGE_ASSIGN(const auto loaded, own(adapter));
  ForwardOutput output{.token_count = static_cast<int64_t>(prompt.size()),
                       .vocabulary_size = spec().vocabulary_size,
                       .hidden_size = spec().hidden_size};
  HiddenCollector collector{
      .states = std::vector<std::vector<float>>(hidden ? static_cast<size_t>(spec().layer_count) + 1 : 0),
      .hidden_size = static_cast<size_t>(spec().hidden_size)};
  const Feed whole{.tokens = prompt,
                   .length = output.token_count,
                   .chunk_tokens = chunk_tokens,
                   .outputs = Outputs::all,
                   .adapter = loaded != nullptr ? &loaded->weights() : nullptr,
                   .sink = hidden ? HiddenCollector::receive : nullptr,
                   .sink_context = &collector};
  KEDGE_TRY(feed_between_steps(
      whole, [&](int64_t count) { collector.chunk_tokens = static_cast<size_t>(count); },
      [&](int64_t, std::span<const float> logits) {
        output.logits.insert(output.logits.end(), logits.begin(), logits.end());
      }));
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
  std::vector<TokenId> tokens(context.begin(), context.end());
  tokens.insert(tokens.end(), continuation.begin(), continuation.end() - 1);  // the last one is only predicted
  ContinuationScore score;
  const auto vocabulary = static_cast<size_t>(spec().vocabulary_size);
  const Feed whole{.tokens = tokens,
                   .length = static_cast<int64_t>(tokens.size()),
                   .outputs = Outputs::all,
                   .outputs_from = static_cast<int64_t>(context.size()) - 1};
  KEDGE_TRY(feed_between_steps(whole, {}, [&](int64_t, std::span<const float> logits) {
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
  for (const AdapterPtr& adapter : workload.adapters) KEDGE_TRY(own(adapter));
  std::optional<Result<Measurement>> measurement;
  thread_->run_task(TaskKind::alone, [&](int64_t) {
    kv_pool_->forget_prefixes();
    if (!kv_filled_) fill_pages(*workers_, *kv_pool_);
    kv_filled_ = true;
    measurement = time_workload(runtime_, workload, stop);
    return true;
  });
  return std::move(*measurement);
}

Result<std::vector<std::vector<float>>> DecoderEngine::embed(std::span<const std::vector<TokenId>> sequences,
                                                             const EmbedOptions& options) {
  for (const std::vector<TokenId>& sequence : sequences) KEDGE_TRY(check_tokens(sequence));
  const Pooling pooling = options.pooling == Pooling::from_model ? Pooling::last : options.pooling;
  std::vector<std::vector<float>> vectors;
  for (const std::vector<TokenId>& sequence : sequences) {
    KEDGE_ASSIGN(const ForwardOutput output, forward(sequence, 0, true, nullptr));
    const auto last_layer = static_cast<size_t>(spec().layer_count);
    vectors.push_back(pool_states(output.hidden[last_layer], spec().hidden_size, pooling));
    if (options.normalize.value_or(true)) normalize_vector(vectors.back());
  }
  return vectors;
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
