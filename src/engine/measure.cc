#include "engine/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "core/half.h"
#include "engine/loaded_adapter.h"
#include "models/pass_cost.h"

namespace kedge::engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kWarmUpSteps = 4;
constexpr size_t kPatternElements = size_t{1} << 18;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Elements of a page in (-1, 1). Numbers of 16 bits serve for codes and scales of fewer bits too: any two of them are
/// an f32 of ordinary size.
std::vector<std::byte> page_pattern(cpu::KvType type) {
  const size_t element_bytes = type == cpu::KvType::f32 ? sizeof(float) : sizeof(uint16_t);
  std::vector<std::byte> pattern(kPatternElements * element_bytes);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  for (size_t i = 0; i < pattern.size(); i += element_bytes) {
    const float value = uniform(random);
    const uint16_t narrow = f32_to_bf16(value);
    if (type == cpu::KvType::f32) {
      std::memcpy(pattern.data() + i, &value, sizeof(value));
    } else {
      std::memcpy(pattern.data() + i, &narrow, sizeof(narrow));
    }
  }
  return pattern;
}

class Timer {
 public:
  Timer(const Runtime& runtime, const Workload& workload, const std::stop_token& stop)
      : runtime_(runtime), workload_(workload), on_stop_(stop, [this] { cancelled_ = true; }) {}

  Result<Measurement> run() {
    KEDGE_TRY(check());
    const uint32_t warm_up = is_prefill() ? workload_.tokens : std::min(workload_.tokens, kWarmUpSteps);
    KEDGE_TRY(time_once(warm_up));
    Measurement measurement;
    for (uint32_t i = 0; i < workload_.repeats; ++i) {
      KEDGE_ASSIGN(const double seconds, time_once(workload_.tokens));
      measurement.seconds.push_back(seconds);
    }
    const models::PassCost cost = is_prefill() ? prefill_cost() : decode_cost();
    measurement.cost = {cost.read_bytes, cost.f32_operations, cost.bf16_operations, cost.int8_operations};
    return measurement;
  }

 private:
  using Sequences = std::vector<std::unique_ptr<SequenceKv>>;

  [[nodiscard]] bool is_prefill() const { return workload_.kind == WorkKind::prefill; }
  [[nodiscard]] int64_t length() const { return int64_t{workload_.depth} + workload_.tokens; }

  [[nodiscard]] Status check() const {
    const int64_t sequences = workload_.sequences;
    const int64_t most = is_prefill() ? 1 : runtime_.outputs_max;
    if (workload_.tokens == 0 || sequences == 0 || sequences > most) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("{} tokens of {} sequences, expected tokens and 1 to {} sequences", workload_.tokens,
                               sequences, most)};
    }
    const KvPool& pool = *runtime_.kv_pool;
    for (size_t group = 0; group < pool.layout().groups.size(); ++group) {
      const int64_t pages = SequenceKv::pages_for(pool.layout(), group, 0, length());
      if (pages * sequences <= pool.free_pages(group)) continue;
      return Error{ErrorKind::invalid_input,
                   fmt::format("{} sequences of {} tokens need {} pages of the KV cache, and it has {}", sequences,
                               length(), pages * sequences, pool.free_pages(group))};
    }
    return Done{};
  }

  /// A sequence that holds `depth` tokens. Windows give pages back on the way.
  [[nodiscard]] Result<std::unique_ptr<SequenceKv>> deep_sequence() const {
    auto kv = std::make_unique<SequenceKv>(*runtime_.kv_pool);
    for (int64_t left = workload_.depth; left > 0; left -= kPageTokens) {
      const int64_t count = std::min(left, kPageTokens);
      if (!kv->reserve(count)) {
        return Error{ErrorKind::unavailable, fmt::format("the KV cache is full at {} tokens", kv->length())};
      }
      kv->advance(count);
    }
    return kv;
  }

  std::vector<TokenId> random_tokens(size_t count) {
    std::uniform_int_distribution<TokenId> any(0, static_cast<TokenId>(runtime_.decoder->spec().vocabulary_size - 1));
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = any(random_);
    return tokens;
  }

  [[nodiscard]] const models::Adapter* adapter_of(size_t sequence) const {
    const std::vector<AdapterPtr>& adapters = workload_.adapters;
    if (adapters.empty()) return nullptr;
    return &static_cast<const LoadedAdapter&>(*adapters[sequence % adapters.size()]).weights();
  }

  [[nodiscard]] static TokenId greedy(std::span<const float> logits) {
    return static_cast<TokenId>(cpu::argmax(logits.data(), static_cast<int64_t>(logits.size())));
  }

  Result<double> time_once(uint32_t tokens) { return is_prefill() ? time_prefill(tokens) : time_decode(tokens); }

  Result<double> time_prefill(uint32_t count) {
    const std::vector<TokenId> tokens = random_tokens(count);
    KEDGE_ASSIGN(const auto kv, deep_sequence());
    const Feed prompt{.tokens = tokens,
                      .length = length(),
                      .outputs = Outputs::last,
                      .adapter = adapter_of(0),
                      .cancelled = &cancelled_};
    const Clock::time_point start = Clock::now();
    KEDGE_TRY(feed(runtime_, *kv, prompt, [this](int64_t, std::span<const float> logits) { next_ = greedy(logits); }));
    return seconds_since(start);
  }

  Result<double> time_decode(uint32_t steps) {
    std::vector<TokenId> tokens = random_tokens(workload_.sequences);
    Sequences sequences;
    for (uint32_t i = 0; i < workload_.sequences; ++i) {
      KEDGE_ASSIGN(auto kv, deep_sequence());
      sequences.push_back(std::move(kv));
    }
    const Clock::time_point start = Clock::now();
    for (uint32_t i = 0; i < steps; ++i) {
      if (cancelled_) return Error{ErrorKind::cancelled, "interrupted"};
      KEDGE_TRY(step(sequences, tokens));
    }
    return seconds_since(start);
  }

  /// One token more for every sequence.
  [[nodiscard]] Status step(const Sequences& sequences, std::vector<TokenId>& tokens) const {
    std::vector<models::TokenRun> runs;
    for (size_t i = 0; i < sequences.size(); ++i) {
      SequenceKv& kv = *sequences[i];
      if (!kv.reserve(1)) return Error{ErrorKind::unavailable, "the KV cache is full"};
      runs.push_back({.tokens = {&tokens[i], 1},
                      .first = kv.length(),
                      .length = kv.length() + 1,
                      .cache = &kv,
                      .adapter = adapter_of(i)});
    }
    const std::span<const float> logits = runtime_.decoder->forward(*runtime_.workers, models::Phase::decode, runs);
    const size_t vocabulary = logits.size() / runs.size();
    for (size_t i = 0; i < sequences.size(); ++i) {
      sequences[i]->advance(1);
      tokens[i] = greedy(logits.subspan(i * vocabulary, vocabulary));
    }
    return Done{};
  }

  [[nodiscard]] models::PassShape shape_at(int64_t first) const {
    return {.phase = is_prefill() ? models::Phase::prefill : models::Phase::decode,
            .sequences = workload_.sequences,
            .first = first,
            .outputs = workload_.sequences,
            .kv_type = runtime_.kv_pool->layout().type};
  }

  [[nodiscard]] models::PassCost prefill_cost() const {
    models::PassCost cost;
    for (int64_t first = workload_.depth; first < length(); first += runtime_.batch_tokens_max) {
      models::PassShape shape = shape_at(first);
      shape.tokens = std::min(runtime_.batch_tokens_max, length() - first);
      shape.outputs = first + shape.tokens == length() ? 1 : 0;
      cost += models::pass_cost(*runtime_.decoder, shape);
    }
    return cost;
  }

  [[nodiscard]] models::PassCost decode_cost() const {
    models::PassCost cost;
    for (int64_t first = workload_.depth; first < length(); ++first) {
      cost += models::pass_cost(*runtime_.decoder, shape_at(first));
    }
    return cost;
  }

  const Runtime& runtime_;
  const Workload& workload_;
  std::atomic<bool> cancelled_ = false;
  std::stop_callback<std::function<void()>> on_stop_;
  std::mt19937 random_{1};
  TokenId next_ = 0;  // that a prompt chose
};

}  // namespace

void fill_pages(WorkerPool& workers, KvPool& pool) {
  const KvLayout& layout = pool.layout();
  const std::vector<std::byte> pattern = page_pattern(layout.type);
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    const uint64_t bytes = layout.page_bytes(group);
    workers.parallel_for(layout.pages[group], 1, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t page = begin; page < end; ++page) {
        std::byte* const out = pool.address(group, static_cast<int32_t>(page));
        for (uint64_t at = 0; at < bytes; at += pattern.size()) {
          std::memcpy(out + at, pattern.data(), std::min<uint64_t>(pattern.size(), bytes - at));
        }
      }
    });
  }
}

Result<Measurement> time_workload(const Runtime& runtime, const Workload& workload, const std::stop_token& stop) {
  return Timer(runtime, workload, stop).run();
}

}  // namespace kedge::engine
