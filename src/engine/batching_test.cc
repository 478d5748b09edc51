// Goal: what runs beside a request changes none of its tokens: sequences that join and leave, prompts in chunks, pages
// that run out, prompts that begin alike, clients that leave. Method: 200 random requests (greedy and seeded, several
// answers, stops, penalties, log-probabilities) one by one, then together from four threads, on engines of several
// sizes and types; every event is compared exactly.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kedge/engine.h"
#include "models/adapter_test_support.h"
#include "models/tiny_model_test_support.h"

namespace kedge {
namespace {

const std::string kDemo = std::string(KEDGE_SOURCE_DIR) + "/demo/model";

/// All that a client sees of a request.
struct Seen {
  std::vector<std::vector<TokenId>> tokens;  // of each answer
  std::vector<std::string> texts;
  std::vector<FinishReason> finishes;
  std::vector<float> logprobs;  // prompt's and answers', in the order of the answers
  RequestTimings timings;
  std::string error;
};

class Client {
 public:
  Client(Engine& engine, const Request& request) : state_(std::make_shared<State>()) {
    state_->seen.tokens.resize(request.sequence_count);
    state_->seen.texts.resize(request.sequence_count);
    state_->seen.finishes.resize(request.sequence_count);
    state_->logprobs.resize(request.sequence_count + 1);
    const auto id = engine.submit(
        request, [state = state_](const TokenEvent& event) { state->take(event); },
        [state = state_](const RequestTimings& timings) {
          state->seen.timings = timings;
          state->done.set_value();
        });
    EXPECT_TRUE(id.ok()) << id.error().message;
    id_ = id.ok() ? id.value() : 0;
  }

  [[nodiscard]] RequestId id() const { return id_; }
  [[nodiscard]] size_t token_count() const { return state_->token_count; }

  Seen wait() {
    state_->done.get_future().wait();
    for (const auto& some : state_->logprobs) {
      state_->seen.logprobs.insert(state_->seen.logprobs.end(), some.begin(), some.end());
    }
    return std::move(state_->seen);
  }

 private:
  struct State {
    Seen seen;
    std::vector<std::vector<float>> logprobs;
    std::atomic<size_t> token_count = 0;
    std::promise<void> done;

    void take(const TokenEvent& event) {
      const uint32_t i = event.sequence_index;
      if (event.logprob) logprobs[event.is_prompt ? 0 : i + 1].push_back(event.logprob->logprob);
      for (const TokenLogprob& top : event.top_logprobs) logprobs[event.is_prompt ? 0 : i + 1].push_back(top.logprob);
      if (event.is_prompt) return;
      if (event.token) seen.tokens[i].push_back(*event.token);
      if (event.token) ++token_count;
      seen.texts[i] += event.text;
      if (event.finish == FinishReason::none) return;
      EXPECT_EQ(seen.finishes[i], FinishReason::none) << "an answer ended twice";
      seen.finishes[i] = event.finish;
      if (event.finish == FinishReason::error) seen.error = event.error;
    }
  };

  std::shared_ptr<State> state_;
  RequestId id_ = 0;
};

struct Shape {
  size_t prompt_max = 200;
  uint32_t new_tokens_max = 60;
  TokenId vocabulary = 96;
  size_t families = 6;  // prompts that begin alike
};

constexpr Shape kDemoShape = {.prompt_max = 100, .new_tokens_max = 24, .vocabulary = 2040};

std::vector<Request> mixed_requests(size_t count, const Shape& shape, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  std::vector<std::vector<TokenId>> beginnings(shape.families);
  for (std::vector<TokenId>& beginning : beginnings) {
    for (size_t i = 0; i < shape.prompt_max; ++i) {
      beginning.push_back(static_cast<TokenId>(below(static_cast<uint64_t>(shape.vocabulary))));
    }
  }
  std::vector<Request> requests;
  for (size_t i = 0; i < count; ++i) {
    Request request;
    const auto& beginning = beginnings[below(shape.families)];
    const auto shared = static_cast<std::ptrdiff_t>(below(shape.prompt_max));
    request.prompt_tokens.assign(beginning.begin(), beginning.begin() + shared);
    for (uint64_t own = 1 + below(20); own > 0 && request.prompt_tokens.size() < shape.prompt_max; --own) {
      request.prompt_tokens.push_back(static_cast<TokenId>(below(static_cast<uint64_t>(shape.vocabulary))));
    }
    request.new_tokens_max = static_cast<uint32_t>(below(shape.new_tokens_max + 1));
    request.ignore_eos = below(2) == 0;
    request.sampling.temperature = below(3) == 0 ? 0.0F : 1.0F;
    request.sampling.seed = random();
    if (below(3) == 0) request.sampling.top_p = 0.9F;
    if (below(4) == 0) request.sampling.top_k = 20;
    if (below(5) == 0) request.sampling.repetition_penalty = 1.2F;
    if (below(5) == 0) request.sampling.frequency_penalty = 0.5F;
    if (below(6) == 0) request.sampling.logit_bias = {{5, 2.0F}};
    if (below(6) == 0) request.sequence_count = 2 + static_cast<uint32_t>(below(11));
    if (below(3) == 0) request.stop_tokens = {static_cast<TokenId>(below(static_cast<uint64_t>(shape.vocabulary)))};
    if (below(3) == 0) request.stop_strings = {"e", "the "};
    if (below(4) == 0) request.top_logprobs = static_cast<int32_t>(below(3));
    if (below(8) == 0) request.prompt_logprobs = true;
    request.priority = static_cast<int32_t>(below(3));
    request.client = std::string(1, static_cast<char>('a' + below(4)));
    requests.push_back(std::move(request));
  }
  return requests;
}

/// Every fourth request as the model is, the others with one of the adapters.
std::vector<Request> with_adapters(std::vector<Request> requests, Engine& engine,
                                   const std::vector<std::filesystem::path>& folders) {
  std::vector<AdapterPtr> adapters = {nullptr};
  for (const auto& folder : folders) {
    auto adapter = engine.load_adapter(folder);
    EXPECT_TRUE(adapter.ok()) << adapter.error().message;
    if (adapter.ok()) adapters.push_back(std::move(adapter).value());
  }
  for (size_t i = 0; i < requests.size(); ++i) requests[i].adapter = adapters[i % adapters.size()];
  return requests;
}

std::unique_ptr<Engine> open(const std::string& model, const EngineOptions& options) {
  auto engine = Engine::open(model, options);
  EXPECT_TRUE(engine.ok()) << engine.error().message;
  return engine.ok() ? std::move(engine).value() : nullptr;
}

std::vector<Seen> alone(Engine& engine, const std::vector<Request>& requests) {
  std::vector<Seen> all;
  all.reserve(requests.size());
  for (const Request& request : requests) all.push_back(Client(engine, request).wait());
  return all;
}

/// All at once, in the midst of others that are cancelled at some token.
std::vector<Seen> together(Engine& engine, const std::vector<Request>& requests) {
  constexpr size_t kThreads = 4;
  std::vector<std::unique_ptr<Client>> clients(requests.size());
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < requests.size(); i += kThreads) {
        clients[i] = std::make_unique<Client>(engine, requests[i]);
        if (i % 5 != t) continue;
        Client disturbance(engine, requests[(i * 7) % requests.size()]);
        for (int turns = 0; disturbance.token_count() < i % 9 && turns < 200; ++turns) std::this_thread::yield();
        engine.cancel(disturbance.id());
        disturbance.wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<Seen> all;
  all.reserve(clients.size());
  for (const auto& client : clients) all.push_back(client->wait());
  return all;
}

void expect_same(const std::vector<Seen>& found, const std::vector<Seen>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].error, "") << "request " << i;
    EXPECT_EQ(found[i].tokens, expected[i].tokens) << "request " << i;
    EXPECT_EQ(found[i].texts, expected[i].texts) << "request " << i;
    EXPECT_EQ(found[i].finishes, expected[i].finishes) << "request " << i;
    EXPECT_EQ(found[i].logprobs, expected[i].logprobs) << "request " << i;
    EXPECT_EQ(found[i].timings.new_tokens, expected[i].timings.new_tokens) << "request " << i;
  }
}

EngineOptions small(KvCache kv_cache, Compute compute) {
  return {.compute = compute, .kv_cache = kv_cache, .batch_tokens_max = 64, .thread_count = 2};
}

class BatchingTest : public testing::Test {
 protected:
  /// The requests alone on an engine that keeps no prefixes, then together on others.
  void expect_same_alone_and_together(const std::string& model, EngineOptions options, const Shape& shape,
                                      size_t count) {
    const std::vector<Request> requests = mixed_requests(count, shape, 5);
    options.prefix_cache = false;
    options.speculation = Speculation::off;
    const auto single = open(model, options);
    ASSERT_NE(single, nullptr);
    const std::vector<Seen> expected = alone(*single, with_adapters(requests, *single, adapters_));
    options.prefix_cache = true;
    options.speculation = Speculation::ngram;
    options.sequences_max = 24;
    options.mixed_tokens_max = 24;
    {
      const auto engine = open(model, options);
      ASSERT_NE(engine, nullptr);
      expect_same(together(*engine, with_adapters(requests, *engine, adapters_)), expected);
      EXPECT_GT(engine->stats().prefix_hits, 0U);
      EXPECT_EQ(engine->pending_count(), 0U);
    }
    // Pages for hardly more than one request: sequences are preempted all the time, and pages go to the disk and back.
    options.prefix_disk_folder = disk_.path();
    options.kv_tokens = shape.prompt_max + shape.new_tokens_max;
    options.sequences_max = 4;
    options.thread_count = 1;
    const auto tight = open(model, options);
    ASSERT_NE(tight, nullptr);
    expect_same(together(*tight, with_adapters(requests, *tight, adapters_)), expected);
    EXPECT_TRUE(tight->forward(std::vector<TokenId>{1}, 0, false).ok());  // behind the last step
    EXPECT_EQ(tight->stats().kv_usage, 0.0);
    EXPECT_GT(tight->stats().prefix_disk_pages, 0U);
    EXPECT_EQ(tight->stats().prefix_disk_errors, 0U);
  }

  /// A small checkpoint without a tokenizer.
  void write_tiny_model(const Json& changes = Json::object()) {
    Json config = models::tiny_llama_config();
    config.update(changes);
    ASSERT_TRUE(models::write_checkpoint(folder_.path(), config, models::tiny_llama_shapes()));
  }

  static EngineOptions tiny_options(KvCache kv_cache = KvCache::automatic) {
    EngineOptions options = small(kv_cache, Compute::f32);
    options.without_tokenizer = true;
    return options;
  }

  /// Three adapters for a checkpoint of these shapes: of every product, of some, and DoRA.
  void write_adapters(const std::vector<std::pair<std::string, std::vector<int64_t>>>& shapes) {
    Json some = models::tiny_adapter_config(), decomposed = models::tiny_adapter_config();
    some["target_modules"] = {"q_proj", "down_proj"};
    decomposed["use_dora"] = true;
    models::AdapterTensors few = models::adapter_shapes(shapes, 4);
    std::erase_if(few, [](const auto& tensor) {
      return tensor.first.find("q_proj") == std::string::npos && tensor.first.find("down_proj") == std::string::npos;
    });
    for (const char* name : {"all", "some", "dora"}) adapters_.push_back(folder_.path() / name);
    ASSERT_TRUE(
        models::write_adapter(adapters_[0], models::tiny_adapter_config(), models::adapter_shapes(shapes, 4), 1));
    ASSERT_TRUE(models::write_adapter(adapters_[1], some, few, 2));
    ASSERT_TRUE(models::write_adapter(adapters_[2], decomposed, models::adapter_shapes(shapes, 4, true), 3));
  }

  models::TemporaryFolder folder_, disk_;
  std::vector<std::filesystem::path> adapters_;
};

TEST_F(BatchingTest, two_hundred_mixed_requests_give_the_same_alone_and_together) {
  write_tiny_model();
  expect_same_alone_and_together(folder_.path(), tiny_options(), {.prompt_max = 180}, 200);
}

TEST_F(BatchingTest, with_adapters_too) {
  write_tiny_model();
  write_adapters(models::tiny_llama_shapes());
  expect_same_alone_and_together(folder_.path(), tiny_options(), {.prompt_max = 180}, 200);
}

TEST_F(BatchingTest, with_adapters_over_weights_of_four_bits_too) {
  Json config = models::tiny_llama_config();
  config.update({{"hidden_size", 64}, {"intermediate_size", 128}});
  std::ofstream(folder_.path() / "config.json") << to_text(config);
  models::AdapterTensors shapes;
  for (auto [name, shape] : models::tiny_llama_shapes()) {
    for (int64_t& size : shape) size = size == 32 ? 64 : size == 48 ? 128 : size == 16 ? 32 : size;
    shapes.emplace_back(name, shape);
  }
  write_adapters(shapes);
  adapters_.pop_back();  // magnitudes would have to be those of the made-up weights
  EngineOptions options = small(KvCache::automatic, Compute::int8);
  options.random_weights = "q4_0";
  options.without_tokenizer = true;
  expect_same_alone_and_together(folder_.path() / "config.json", options, {.prompt_max = 100}, 60);
}

TEST_F(BatchingTest, adapters_keep_their_prefixes_apart_and_outlive_their_unloading) {
  write_tiny_model();
  write_adapters(models::tiny_llama_shapes());
  const auto engine = open(folder_.path(), tiny_options()), other = open(folder_.path(), tiny_options());
  ASSERT_NE(engine, nullptr);
  Request request{.new_tokens_max = 8, .ignore_eos = true};
  request.sampling.temperature = 0;
  for (TokenId i = 0; i < 100; ++i) request.prompt_tokens.push_back(i % 90);
  const Seen plain = Client(*engine, request).wait();
  std::vector<std::vector<TokenId>> answers;
  for (const auto& folder : adapters_) {
    request.adapter = engine->load_adapter(folder).value();
    Client client(*engine, request);
    request.adapter = nullptr;
    const Seen first = client.wait();
    EXPECT_EQ(first.timings.cached_tokens, 0U) << folder;
    request.adapter = engine->load_adapter(folder).value();  // the same files again: what they computed is there
    const Seen again = Client(*engine, request).wait();
    EXPECT_EQ(again.timings.cached_tokens, 96U) << folder;
    EXPECT_EQ(again.tokens, first.tokens);
    EXPECT_NE(first.tokens, plain.tokens);
    answers.push_back(first.tokens[0]);
  }
  EXPECT_NE(answers[0], answers[1]);
  EXPECT_NE(answers[0], answers[2]);
  request.adapter = other->load_adapter(adapters_[0]).value();
  const auto refused = engine->submit(request, [](const TokenEvent&) {}, [](const RequestTimings&) {});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("loaded for another model"), std::string::npos);
}

TEST_F(BatchingTest, with_texts_and_stop_strings_too) {
  expect_same_alone_and_together(kDemo, small(KvCache::automatic, Compute::f32), kDemoShape, 30);
}

TEST_F(BatchingTest, in_sixteen_bits_too) {
  expect_same_alone_and_together(kDemo, small(KvCache::bf16, Compute::bf16), kDemoShape, 20);
}

TEST_F(BatchingTest, with_keys_and_values_of_eight_bits_too) {
  expect_same_alone_and_together(kDemo, small(KvCache::int8, Compute::automatic), kDemoShape, 20);
}

TEST_F(BatchingTest, with_windows_too) {
  write_tiny_model({{"model_type", "mistral"}, {"sliding_window", 40}});
  expect_same_alone_and_together(folder_.path(), tiny_options(), {.prompt_max = 180}, 100);
}

TEST_F(BatchingTest, where_the_rope_factors_change_too) {
  const Json scaling = {
      {"type", "longrope"}, {"short_factor", {1.0, 1.1, 1.2, 1.3}}, {"long_factor", {1.5, 2.0, 4.0, 8.0}}};
  write_tiny_model({{"original_max_position_embeddings", 100}, {"rope_scaling", scaling}});
  expect_same_alone_and_together(folder_.path(), tiny_options(), {.prompt_max = 150}, 100);
}

TEST_F(BatchingTest, where_every_length_has_its_own_rope_too) {
  const Json scaling = {{"type", "dynamic"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
  write_tiny_model({{"rope_scaling", scaling}});
  expect_same_alone_and_together(folder_.path(), tiny_options(), {.prompt_max = 150}, 100);
}

TEST_F(BatchingTest, answers_that_outgrow_the_cache_wait_and_are_computed_again_exactly) {
  write_tiny_model();
  for (const KvCache type : {KvCache::f32, KvCache::int8}) {
    EngineOptions options = tiny_options(type);
    options.kv_tokens = 256;
    options.sequences_max = 6;
    const auto engine = open(folder_.path(), options);
    ASSERT_NE(engine, nullptr);
    std::vector<Request> requests = mixed_requests(16, {}, 2);
    for (Request& request : requests) {
      request.prompt_tokens.resize(40, 9);
      request.new_tokens_max = 200;
      request.ignore_eos = true;
      request.stop_tokens.clear();
    }
    const std::vector<Seen> expected = alone(*engine, requests);
    expect_same(together(*engine, requests), expected);
    EXPECT_GT(engine->stats().preemptions, 0U);  // six times eight pages do not fit into 22
  }
}

/// Texts that repeat themselves, and answers that do.
std::vector<Request> repeating_requests() {
  std::vector<Request> requests = mixed_requests(80, {.prompt_max = 40, .new_tokens_max = 80}, 4);
  for (size_t i = 0; i < requests.size(); ++i) {
    std::vector<TokenId>& prompt = requests[i].prompt_tokens;
    const std::vector<TokenId> once = prompt;
    for (size_t again = 0; again < 1 + i % 3; ++again) prompt.insert(prompt.end(), once.begin(), once.end());
    requests[i].sampling.temperature = i % 2 == 0 ? 0.0F : 0.3F;
    requests[i].ignore_eos = i % 4 != 0;
  }
  return requests;
}

TEST_F(BatchingTest, guesses_change_no_token) {
  write_tiny_model();
  const std::vector<Request> requests = repeating_requests();
  EngineOptions options = tiny_options();
  options.speculation = Speculation::off;
  const auto plain = open(folder_.path(), options);
  options.speculation = Speculation::ngram;
  options.sequences_max = 16;
  const auto guessing = open(folder_.path(), options);
  ASSERT_TRUE(plain != nullptr && guessing != nullptr);
  const std::vector<Seen> expected = alone(*plain, requests);
  expect_same(alone(*guessing, requests), expected);
  EXPECT_GT(guessing->stats().accepted_tokens, 0U);
  EXPECT_EQ(plain->stats().draft_tokens, 0U);
  expect_same(together(*guessing, requests), expected);
}

TEST_F(BatchingTest, a_draft_model_changes_no_token) {
  write_tiny_model();
  const std::vector<Request> requests = repeating_requests();
  EngineOptions options = tiny_options();
  options.speculation = Speculation::off;
  const auto plain = open(folder_.path(), options);
  options.speculation = Speculation::ngram;
  options.sequences_max = 16;            // more than it keeps pages for
  options.draft_model = folder_.path();  // right where the likeliest token is taken
  options.draft_tokens = 3;
  const auto guessing = open(folder_.path(), options);
  ASSERT_TRUE(plain != nullptr && guessing != nullptr);
  EXPECT_GT(guessing->plan().draft_bytes, 0U);
  const std::vector<Seen> expected = alone(*plain, requests);
  expect_same(alone(*guessing, requests), expected);
  const EngineStats stats = guessing->stats();
  EXPECT_GT(stats.accepted_tokens, stats.draft_tokens / 3);
  expect_same(together(*guessing, requests), expected);
}

TEST_F(BatchingTest, a_draft_model_that_is_itself_is_always_right) {
  write_tiny_model();
  EngineOptions options = tiny_options();
  options.draft_model = folder_.path();
  options.draft_tokens = 4;
  const auto engine = open(folder_.path(), options);
  ASSERT_NE(engine, nullptr);
  Request request{.prompt_tokens = {5, 17, 33, 2, 71, 8}, .new_tokens_max = 61, .ignore_eos = true};
  request.sampling.temperature = 0;
  EXPECT_EQ(Client(*engine, request).wait().tokens[0].size(), 61U);
  EXPECT_EQ(engine->stats().accepted_tokens, engine->stats().draft_tokens);
  EXPECT_GE(engine->stats().accepted_tokens, 40U);
}

TEST_F(BatchingTest, a_draft_model_reads_long_prompts_piece_by_piece_under_one_rope) {
  const Json scaling = {
      {"type", "longrope"}, {"short_factor", {1.0, 1.1, 1.2, 1.3}}, {"long_factor", {1.5, 2.0, 4.0, 8.0}}};
  write_tiny_model({{"original_max_position_embeddings", 100}, {"rope_scaling", scaling}});
  EngineOptions options = tiny_options();
  options.mixed_tokens_max = 16;
  options.draft_model = folder_.path();
  options.draft_tokens = 4;
  const auto engine = open(folder_.path(), options);
  ASSERT_NE(engine, nullptr);
  Request request{.new_tokens_max = 60, .ignore_eos = true};
  request.sampling.temperature = 0;
  std::mt19937 random(5);
  for (int i = 0; i < 150; ++i) request.prompt_tokens.push_back(static_cast<TokenId>(random() % 90));
  EXPECT_EQ(Client(*engine, request).wait().tokens[0].size(), 60U);
  // Ten tokens while it reads, then four in five.
  EXPECT_GE(engine->stats().accepted_tokens, 30U);
}

TEST_F(BatchingTest, a_draft_model_with_other_tokens_is_refused) {
  write_tiny_model();
  EngineOptions options;
  options.draft_model = folder_.path();  // it has no tokenizer
  const auto refused = Engine::open(kDemo, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("other tokens"), std::string::npos) << refused.error().message;
}

TEST_F(BatchingTest, tasks_run_between_steps_and_change_nothing) {
  const auto engine =
      open(kDemo, {.compute = Compute::f32, .kv_cache_bytes = 0, .sequences_max = 8, .thread_count = 2});
  ASSERT_NE(engine, nullptr);
  const std::vector<Request> requests = mixed_requests(12, kDemoShape, 9);
  const std::vector<Seen> expected = alone(*engine, requests);
  const std::vector<TokenId> text(150, 7);
  const auto logits = engine->forward(text, 0, false).value().logits;
  const auto vectors = engine->embed(std::vector<std::vector<TokenId>>{text}, {}).value();
  std::atomic<bool> stop = false;
  std::thread tasks([&] {
    while (!stop) {
      EXPECT_EQ(engine->forward(text, 0, false).value().logits, logits);
      EXPECT_EQ(engine->embed(std::vector<std::vector<TokenId>>{text}, {}).value(), vectors);
    }
  });
  for (int i = 0; i < 2; ++i) expect_same(together(*engine, requests), expected);
  EXPECT_TRUE(engine->measure({.kind = WorkKind::decode, .tokens = 4, .sequences = 2, .repeats = 1}, {}).ok());
  stop = true;
  tasks.join();
  expect_same(together(*engine, requests), expected);
}

TEST_F(BatchingTest, destruction_ends_everything_with_a_last_event) {
  std::vector<std::unique_ptr<Client>> clients;
  {
    const auto engine = open(kDemo, {.compute = Compute::f32, .sequences_max = 4, .thread_count = 2});
    ASSERT_NE(engine, nullptr);
    for (Request& request : mixed_requests(30, {.new_tokens_max = 500, .vocabulary = 2040}, 3)) {
      clients.push_back(std::make_unique<Client>(*engine, request));
    }
  }
  for (auto& client : clients) {
    for (const FinishReason finish : client->wait().finishes) EXPECT_NE(finish, FinishReason::none);
  }
}

TEST_F(BatchingTest, a_second_prompt_that_begins_alike_computes_only_the_rest) {
  const auto engine = open(kDemo, {.compute = Compute::f32, .sequences_max = 4, .thread_count = 2});
  ASSERT_NE(engine, nullptr);
  Request request = mixed_requests(1, {.vocabulary = 2040}, 1)[0];
  request = {.prompt_tokens = std::vector<TokenId>(900), .new_tokens_max = 20, .ignore_eos = true};
  for (size_t i = 0; i < 900; ++i) request.prompt_tokens[i] = static_cast<TokenId>((i * 37) % 2000);
  request.sampling.temperature = 0;
  const Seen first = Client(*engine, request).wait();
  EXPECT_EQ(first.timings.cached_tokens, 0U);
  const Seen again = Client(*engine, request).wait();
  EXPECT_EQ(again.timings.cached_tokens, 896U);  // all full pages; the last token is computed
  EXPECT_EQ(again.tokens, first.tokens);
  request.prompt_tokens.resize(896);
  EXPECT_EQ(Client(*engine, request).wait().timings.cached_tokens, 864U);
  request.prompt_tokens[500] = 3;
  EXPECT_EQ(Client(*engine, request).wait().timings.cached_tokens, 480U);
  request.cache_salt = "another";
  EXPECT_EQ(Client(*engine, request).wait().timings.cached_tokens, 0U);
  request.cache_salt.clear();
  request.prompt_logprobs = true;  // wants what a hit would not compute
  EXPECT_EQ(Client(*engine, request).wait().timings.cached_tokens, 0U);
}

}  // namespace
}  // namespace kedge
