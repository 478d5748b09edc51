// Goal: reasoning ends where its limit says, at the end of a character, whatever guesses and constraints do; nothing
// before it changes.
// Method: a tokenizer of bytes, token by token; the demo model with and without the limit.

#include <gtest/gtest.h>

#include <future>

#include "core/json.h"
#include "engine/reasoning_rule.h"
#include "kedge/engine.h"

namespace kedge {
namespace {

/// Every byte is a token; 256 is "</think>", a special one.
class Bytes final : public Tokenizer {
 public:
  [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text, const EncodeOptions&) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  [[nodiscard]] Result<std::vector<TokenId>> encode_pair(std::string_view a, std::string_view b) const override {
    return encode(std::string(a) + std::string(b), {});
  }
  [[nodiscard]] std::string decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) text += token_bytes(id);
    return text;
  }
  [[nodiscard]] std::unique_ptr<StreamDecoder> stream(bool) const override { return nullptr; }
  [[nodiscard]] std::string token_bytes(TokenId id) const override {
    return id < 256 ? std::string(1, static_cast<char>(id)) : "";
  }
  [[nodiscard]] std::string_view token_text(TokenId id) const override { return id == 256 ? "</think>" : ""; }
  [[nodiscard]] std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  [[nodiscard]] bool is_special(TokenId id) const override { return id >= 256; }
  [[nodiscard]] size_t vocabulary_size() const override { return 257; }
  [[nodiscard]] std::optional<TokenId> bos() const override { return std::nullopt; }
  [[nodiscard]] std::optional<TokenId> eos() const override { return std::nullopt; }
};

/// What comes of a model that wants to say `text`, under the limit; `|` is the special token.
std::string under(const ReasoningLimit& limit, std::string_view text) {
  const Bytes tokenizer;
  engine::ReasoningRule rule(limit, tokenizer);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const std::optional<TokenId> forced = rule.forced();
    const TokenId token = forced           ? *forced
                          : text[i] == '|' ? TokenId{256}
                                           : TokenId{static_cast<unsigned char>(text[i])};
    if (!forced) ++i;
    rule.accept(token);
    out += token == 256 ? "|" : tokenizer.token_bytes(token);
  }
  return out;
}

const ReasoningLimit kOpen{"", "</think>", {256}, 3};
const ReasoningLimit kMarked{"<think>", "</think>", {256}, 3};

TEST(ReasoningRule, ends_what_the_prompt_has_begun) {
  EXPECT_EQ(under(kOpen, "abcdef"), "abc|def");
  EXPECT_EQ(under(kOpen, "ab|cdef"), "ab|cdef") << "it ended by itself";
  EXPECT_EQ(under(kOpen, "abc|def"), "abc||def") << "what it says behind the end is its answer";
  ReasoningLimit none = kOpen;
  none.tokens_max = 0;
  EXPECT_EQ(under(none, "abc"), "|abc");
}

TEST(ReasoningRule, counts_from_the_mark_that_the_answer_begins_with) {
  EXPECT_EQ(under(kMarked, "\n<think>abcdef"), "\n<think>abc|def");
  EXPECT_EQ(under(kMarked, "It says <think> and goes on"), "It says <think> and goes on") << "no reasoning";
  ReasoningLimit more = kMarked;
  more.tokens_max = 20;
  EXPECT_EQ(under(more, "<think>a</think>" + std::string(30, 'b')), "<think>a</think>" + std::string(30, 'b'))
      << "the end in pieces is one, too";
}

TEST(ReasoningRule, writes_a_mark_of_several_tokens_whole) {
  const ReasoningLimit spelled{"", "</>", {'<', '/', '>'}, 2};
  EXPECT_EQ(under(spelled, "abcdef"), "ab</>cdef");
  EXPECT_EQ(under(spelled, "a</>cdef"), "a</>cdef") << "half of it was there when the limit came";
  EXPECT_EQ(under(spelled, "a<<<<<<<<b"), "a<<<<</><<<<b") << "which is awaited no longer than it is long";
  EXPECT_EQ(under(spelled, "ab"), "ab") << "the model has nothing more to say: nothing is asked of it";
}

TEST(ReasoningRule, leaves_characters_whole) {
  EXPECT_EQ(under(kOpen, "ab\u00e9cd"), "ab\u00e9|cd");
  EXPECT_EQ(under(kOpen, "a\u20accd"), "a\u20ac|cd");
  EXPECT_EQ(under(kOpen, "\U0001F600cd"), "\U0001F600|cd");
  EXPECT_EQ(under(kOpen, "abc\u00e9"), "abc|\u00e9") << "one that has not begun can wait";
  EXPECT_EQ(under(kOpen, "ab\x80\x80\x80\x80\x80"), "ab\x80|\x80\x80\x80\x80") << "bytes that begin no character";
}

class ReasoningTest : public testing::Test {
 protected:
  static std::unique_ptr<Engine> open(Speculation speculation) {
    auto opened =
        Engine::open(std::string(KEDGE_SOURCE_DIR) + "/demo/model", {.speculation = speculation, .thread_count = 2});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(opened).value();
  }

  static Request request(Engine& engine, uint32_t new_tokens_max = 60) {
    // Repetitive, so that there is something to guess.
    Request made{.new_tokens_max = new_tokens_max, .ignore_eos = true};
    made.prompt_tokens = engine.tokenizer()->encode("one two one two one two one two one", {}).value();
    made.sampling.temperature = 0;
    return made;
  }
  static ReasoningLimit limit(Engine& engine, uint32_t tokens_max) {
    const std::string end = "</think>";
    return {"", end, engine.tokenizer()->encode(end, {.add_special = false}).value(), tokens_max};
  }

  struct Answer {
    std::vector<TokenId> tokens;
    std::string text;
    FinishReason finish = FinishReason::none;
  };
  static std::vector<Answer> run(Engine& engine, const Request& made) {
    std::vector<Answer> answers(made.sequence_count);
    std::promise<void> done;
    const auto id = engine.submit(
        made,
        [&](const TokenEvent& event) {
          Answer& answer = answers[event.sequence_index];
          if (event.token) answer.tokens.push_back(*event.token);
          answer.text += event.text;
          if (event.finish != FinishReason::none) answer.finish = event.finish;
        },
        [&](const RequestTimings&) { done.set_value(); });
    EXPECT_TRUE(id.ok()) << id.error().message;
    if (id.ok()) done.get_future().wait();
    return answers;
  }
};

TEST_F(ReasoningTest, the_end_is_written_and_the_answer_goes_on) {
  const auto engine = open(Speculation::off);
  const Request free = request(*engine);
  const std::vector<TokenId> alone = run(*engine, free)[0].tokens;
  Request limited = free;
  limited.reasoning = limit(*engine, 10);
  limited.sequence_count = 3;
  const std::vector<TokenId>& mark = limited.reasoning->end_tokens;
  for (const Answer& answer : run(*engine, limited)) {
    ASSERT_EQ(answer.tokens.size(), 60U);
    EXPECT_TRUE(std::equal(alone.begin(), alone.begin() + 10, answer.tokens.begin()));
    EXPECT_TRUE(std::equal(mark.begin(), mark.end(), answer.tokens.begin() + 10)) << answer.text;
    EXPECT_NE(answer.text.find("</think>"), std::string::npos);
  }
  limited.reasoning->tokens_max = 1000;
  EXPECT_EQ(run(*engine, limited)[0].tokens, alone);
}

TEST_F(ReasoningTest, guesses_change_nothing) {
  const auto plain = open(Speculation::off), guessing = open(Speculation::ngram);
  for (const uint32_t tokens_max : {0U, 1U, 7U, 20U, 33U}) {
    for (const float temperature : {0.0F, 0.9F}) {
      Request made = request(*plain);
      made.sampling.temperature = temperature;
      made.sampling.seed = 3;
      made.reasoning = limit(*plain, tokens_max);
      EXPECT_EQ(run(*plain, made)[0].tokens, run(*guessing, made)[0].tokens) << tokens_max << " at " << temperature;
    }
  }
}

TEST_F(ReasoningTest, a_constraint_on_the_answer_holds_behind_it) {
  const auto engine = open(Speculation::ngram);
  Request made = request(*engine, 200);
  made.reasoning = limit(*engine, 12);
  const Json format = {
      {"type", "sequence"},
      {"elements",
       Json::array({{{"type", "tag"}, {"begin", ""}, {"content", {{"type", "any_text"}}}, {"end", "</think>"}},
                    {{"type", "regex"}, {"pattern", "[0-9]{4}"}}})}};
  made.constraint =
      Constraint{ConstraintKind::structural_tag, to_text({{"type", "structural_tag"}, {"format", format}})};
  for (const float temperature : {0.0F, 1.2F}) {
    made.sampling.temperature = temperature;
    made.sampling.seed = 9;
    const Answer answer = run(*engine, made)[0];
    EXPECT_EQ(answer.finish, FinishReason::stop);
    const size_t end = answer.text.find("</think>");
    ASSERT_NE(end, std::string::npos) << answer.text;
    const std::string rest = answer.text.substr(end + 8);
    EXPECT_EQ(rest.size(), 4U) << answer.text;
    EXPECT_EQ(rest.find_first_not_of("0123456789"), std::string::npos) << answer.text;
  }
}

TEST_F(ReasoningTest, a_limit_without_an_end_is_refused) {
  const auto engine = open(Speculation::off);
  Request made = request(*engine);
  made.reasoning = ReasoningLimit{"", "</think>", {}, 4};
  EXPECT_EQ(engine->submit(made, {}, {}).error().kind, ErrorKind::invalid_input);
  made.reasoning->end_tokens = {1 << 30};
  EXPECT_EQ(engine->submit(made, {}, {}).error().kind, ErrorKind::invalid_input);
}

}  // namespace
}  // namespace kedge
