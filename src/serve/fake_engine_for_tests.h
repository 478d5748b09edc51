#pragma once
// An engine that says what a test tells it to, one byte a token, on a thread of its own, one request at a time.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/file.h"
#include "kedge/engine.h"
#include "text/chat_template.h"

namespace kedge::serve {

inline constexpr TokenId kFakeBos = 256;
inline constexpr TokenId kFakeEos = 257;
inline constexpr size_t kFakeVocabularySize = 258;

/// Every byte is a token.
class FakeTokenizer final : public Tokenizer {
 public:
  [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text,
                                                    const EncodeOptions& options) const override {
    std::vector<TokenId> ids;
    if (options.add_special) ids.push_back(kFakeBos);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  [[nodiscard]] Result<std::vector<TokenId>> encode_pair(std::string_view a, std::string_view b) const override {
    return encode(std::string(a) + std::string(b), {});
  }
  [[nodiscard]] std::string decode(std::span<const TokenId> ids, bool /*skip_special*/) const override {
    std::string text;
    for (const TokenId id : ids) text += token_bytes(id);
    return text;
  }
  // Whole characters of at most two bytes, which is all that the tests use.
  class Stream final : public StreamDecoder {
   public:
    std::string push(TokenId id) override {
      if (id > 255) return "";
      pending_ += static_cast<char>(id);
      if (static_cast<unsigned char>(pending_[0]) >= 0xC0 && pending_.size() < 2) return "";
      return std::exchange(pending_, {});
    }
    std::string flush() override { return pending_.empty() ? "" : "\xEF\xBF\xBD"; }

   private:
    std::string pending_;
  };
  [[nodiscard]] std::unique_ptr<StreamDecoder> stream(bool /*skip_special*/) const override {
    return std::make_unique<Stream>();
  }
  [[nodiscard]] std::string token_bytes(TokenId id) const override {
    return id >= 0 && id < 256 ? std::string(1, static_cast<char>(id)) : "";
  }
  [[nodiscard]] std::string_view token_text(TokenId id) const override {
    return id == kFakeBos ? "<s>" : id == kFakeEos ? "</s>" : "";
  }
  [[nodiscard]] std::optional<TokenId> find(std::string_view token) const override {
    return token.size() == 1 ? std::optional<TokenId>(static_cast<unsigned char>(token[0])) : std::nullopt;
  }
  [[nodiscard]] bool is_special(TokenId id) const override { return id >= 256; }
  [[nodiscard]] size_t vocabulary_size() const override { return kFakeVocabularySize; }
  [[nodiscard]] std::optional<TokenId> bos() const override { return kFakeBos; }
  [[nodiscard]] std::optional<TokenId> eos() const override { return kFakeEos; }
};

/// "role: content" a line; refuses a message that says "refuse".
class FakeTemplate final : public text::ChatTemplate {
 public:
  [[nodiscard]] Result<std::string> render(const Json& variables) const override {
    std::string prompt = variables.value("bos_token", "");
    for (const Json& message : variables["messages"]) {
      const std::string content = message["content"].get<std::string>();
      if (content == "refuse") return Error{ErrorKind::invalid_input, "the template refuses: no such talk"};
      prompt += message["role"].get<std::string>() + ": " + content + "\n";
      if (message.contains("tool_calls")) prompt += "calls " + to_text(message["tool_calls"]) + "\n";
    }
    if (variables["tools"].is_array()) prompt += "tools: " + std::to_string(variables["tools"].size()) + "\n";
    if (variables.contains("mood")) prompt += "mood: " + variables["mood"].get<std::string>() + "\n";
    return variables["add_generation_prompt"].get<bool>() ? prompt + "assistant: " : prompt;
  }
  [[nodiscard]] const std::string& source() const override { return source_; }

 private:
  std::string source_ = "fake, with tools in <tool_call>";
};

class FakeAdapter final : public Adapter {
 public:
  [[nodiscard]] const AdapterInfo& info() const override { return info_; }

 private:
  AdapterInfo info_{.rank = 4, .modules = {"q_proj"}, .bytes = 100};
};

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(ModelKind kind = ModelKind::decoder) {
    info_.name = "fake";
    info_.architecture = "FakeForCausalLM";
    info_.kind = kind;
    info_.context_tokens = 1000;
    info_.vocabulary_size = static_cast<int64_t>(kFakeVocabularySize);
    info_.hidden_size = 3;
    plan_.kv_cache_bytes = 4096;
    plan_.kv_tokens = 2000;
    thread_ = std::thread([this] { run(); });
  }
  ~FakeEngine() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // What a test sets before it asks.
  void set_answer(std::string answer) {
    const std::scoped_lock lock(mutex_);
    answer_ = std::move(answer);
  }
  /// After this many tokens the engine stands still, until `allow` raises the number.
  void allow(size_t tokens) {
    const std::scoped_lock lock(mutex_);
    allowed_ = tokens;
    changed_.notify_all();
  }
  /// Of its plan.
  void set_plan_bytes(uint64_t bytes) {
    plan_.kv_cache_bytes = bytes;
    plan_.available_bytes = uint64_t{1} << 40;
  }
  void fail_after(size_t tokens) {
    const std::scoped_lock lock(mutex_);
    fail_after_ = tokens;
  }
  // What a test looks at afterwards.
  Request last_request() {
    const std::scoped_lock lock(mutex_);
    return last_request_;
  }
  bool wait_for_idle() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return jobs_.empty(); });
  }
  bool wait_for_pending(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return jobs_.size() == count; });
  }

  [[nodiscard]] const ModelInfo& info() const override { return info_; }
  [[nodiscard]] const MemoryPlan& plan() const override { return plan_; }
  [[nodiscard]] const Tokenizer* tokenizer() const override { return &tokenizer_; }
  [[nodiscard]] const text::ChatTemplate* chat_template() const override {
    return has_template_ ? &template_ : nullptr;
  }
  void remove_template() { has_template_ = false; }

  Result<RequestId> submit(Request request, OnToken on_token, OnDone on_done) override {
    if (request.sampling.top_k == 12345) return Error{ErrorKind::invalid_input, "top_k is out of range"};
    const std::scoped_lock lock(mutex_);
    last_request_ = request;
    jobs_.push_back({++last_id_, std::move(request), std::move(on_token), std::move(on_done)});
    changed_.notify_all();
    return last_id_;
  }
  /// Refuses a source that says so; the others hold no answer to anything.
  Status prepare(const Constraint& constraint) override {
    if (constraint.source.find("unsupported") == std::string::npos) return Done{};
    return Error{ErrorKind::invalid_input, "it says 'unsupported'"};
  }
  void cancel(RequestId id) override {
    const std::scoped_lock lock(mutex_);
    cancelled_.insert(id);
    changed_.notify_all();
  }
  [[nodiscard]] size_t pending_count() const override {
    const std::scoped_lock lock(mutex_);
    return jobs_.size();
  }
  /// What it says of the step that runs.
  void set_step_seconds(double seconds) { step_seconds_ = seconds; }
  [[nodiscard]] EngineStats stats() const override {
    const size_t pending = pending_count(), running = std::min<size_t>(pending, 1);
    return {.running = running,
            .waiting = pending - running,
            .kv_usage = 0.25,
            .preemptions = 3,
            .prefix_queries = 40,
            .prefix_hits = 32,
            .draft_tokens = 9,
            .accepted_tokens = 7,
            .step_seconds = {{0.5}, {2, 3}, 1.5},
            .running_step_seconds = step_seconds_};
  }
  /// Of a folder that has an adapter_config.json without the word "broken".
  Result<AdapterPtr> load_adapter(const std::filesystem::path& folder) override {
    const auto config = read_file(folder / "adapter_config.json", 1 << 20);
    if (!config.ok()) return config.error();
    if (config.value().find("broken") != std::string::npos) return Error{ErrorKind::corrupt_data, "it is broken"};
    return AdapterPtr(std::make_shared<const FakeAdapter>());
  }
  Result<ForwardOutput> forward(std::span<const TokenId>, uint32_t, bool, const AdapterPtr&) override {
    return ForwardOutput();
  }
  Result<ContinuationScore> score(std::span<const TokenId>, std::span<const TokenId>) override {
    return ContinuationScore();
  }
  Result<Measurement> measure(const Workload&, const std::stop_token&) override { return Measurement(); }
  /// [length, first id, last id]
  Result<std::vector<std::vector<float>>> embed(std::span<const std::vector<TokenId>> sequences,
                                                const EmbedOptions&) override {
    std::vector<std::vector<float>> vectors;
    for (const std::vector<TokenId>& s : sequences) {
      vectors.push_back({static_cast<float>(s.size()), static_cast<float>(s.front()), static_cast<float>(s.back())});
    }
    return vectors;
  }
  /// The length.
  Result<std::vector<float>> rerank(std::span<const std::vector<TokenId>> sequences) override {
    std::vector<float> scores;
    for (const std::vector<TokenId>& s : sequences) scores.push_back(static_cast<float>(s.size()));
    return scores;
  }
  /// At most 8 tokens.
  [[nodiscard]] Result<std::vector<TokenId>> encode_for_embedding(std::string_view text) const override {
    std::vector<TokenId> ids = tokenizer_.encode(text, {.add_special = true}).value();
    ids.resize(std::min<size_t>(ids.size(), 8));
    return ids;
  }
  [[nodiscard]] Result<std::vector<TokenId>> encode_for_rerank(std::string_view query,
                                                               std::string_view passage) const override {
    return tokenizer_.encode(std::string(query) + std::string(passage), {});
  }

 private:
  struct Job {
    RequestId id = 0;
    Request request;
    OnToken on_token;
    OnDone on_done;
  };

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      Job job = std::move(jobs_.front());
      lock.unlock();
      generate(job);
      job = {};
      lock.lock();
      jobs_.pop_front();
      changed_.notify_all();
    }
  }

  // True when the next token may be made; false when the request was cancelled.
  bool wait_for_turn(RequestId id, size_t made) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || cancelled_.contains(id) || made < allowed_; });
    return !stopping_ && !cancelled_.contains(id);
  }

  static TokenLogprob likely(TokenId token, int rank) { return {token, -0.5F * static_cast<float>(rank + 1)}; }

  TokenEvent event_of(const Request& request, TokenId token) {
    TokenEvent event;
    event.token = token;
    if (request.top_logprobs >= 0) {
      event.logprob = likely(token, 0);
      for (int i = 0; i < request.top_logprobs; ++i) event.top_logprobs.push_back(likely(token + i, i));
    }
    return event;
  }

  void generate(const Job& job) {
    const Request& request = job.request;
    for (size_t i = 0; request.prompt_logprobs && i < request.prompt_tokens.size(); ++i) {
      TokenEvent event = event_of(request, request.prompt_tokens[i]);
      event.is_prompt = true;
      if (i == 0) event.logprob.reset();
      job.on_token(event);
    }
    RequestTimings timings{1, 2, 4, request.prompt_tokens.size(), 0, 2};
    for (uint32_t sequence = 0; sequence < request.sequence_count; ++sequence) {
      timings.new_tokens += generate_sequence(job, sequence);
    }
    job.on_done(timings);
  }

  static std::string until(const std::string& answer, const Request& request) {
    const size_t found = answer.find(request.stop_strings[0]);
    const size_t kept = request.include_stop_string ? request.stop_strings[0].size() : 0;
    return found == std::string::npos ? answer : answer.substr(0, found + kept);
  }

  uint64_t generate_sequence(const Job& job, uint32_t sequence) {
    std::string answer;
    size_t fail_after = 0;
    {
      const std::scoped_lock lock(mutex_);
      answer = answer_;
      fail_after = fail_after_;
    }
    if (job.request.sequence_count > 1) answer += std::to_string(sequence);
    TokenEvent last;
    last.sequence_index = sequence;
    last.finish = FinishReason::stop;
    if (!job.request.stop_strings.empty()) answer = until(answer, job.request);
    if (answer.size() > job.request.new_tokens_max) {
      answer.resize(job.request.new_tokens_max);
      last.finish = FinishReason::length;
    }
    FakeTokenizer::Stream decoder;
    size_t made = 0;
    for (; made < answer.size() && last.finish != FinishReason::cancelled; ++made) {
      if (made == fail_after) {
        last.finish = FinishReason::error;
        last.error = "the fake engine was told to fail";
        break;
      }
      if (!wait_for_turn(job.id, made)) {
        last.finish = FinishReason::cancelled;
        break;
      }
      TokenEvent event = event_of(job.request, static_cast<unsigned char>(answer[made]));
      event.sequence_index = sequence;
      event.text = decoder.push(*event.token);
      job.on_token(event);
    }
    last.text = decoder.flush();
    job.on_token(last);
    return made;
  }

  ModelInfo info_;
  MemoryPlan plan_;
  FakeTokenizer tokenizer_;
  FakeTemplate template_;
  bool has_template_ = true;
  std::atomic<double> step_seconds_{0};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;  // the first one runs
  std::set<RequestId> cancelled_;
  RequestId last_id_ = 0;
  Request last_request_;
  std::string answer_ = "Hello!";
  size_t allowed_ = SIZE_MAX;
  size_t fail_after_ = SIZE_MAX;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kedge::serve
