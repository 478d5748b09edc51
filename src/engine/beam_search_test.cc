// Goal: beam search finds the answers that its definition finds, whatever runs beside it, and ends when it is told.
// Method: a small random checkpoint; answers compared with a plain search over the logits of whole prefixes; end
// tokens, lengths, penalties, cancelling.

#include "engine/beam_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <memory>
#include <vector>

#include "kedge/engine.h"
#include "models/tiny_model_test_support.h"

namespace kedge {
namespace {

struct Found {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  FinishReason finish = FinishReason::none;
  double score = 0;
};

class BeamSearchTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(models::write_checkpoint(folder_.path(), models::tiny_llama_config(), models::tiny_llama_shapes()));
    auto engine = Engine::open(
        folder_.path(), {.compute = Compute::f32, .sequences_max = 3, .thread_count = 2, .without_tokenizer = true});
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    engine_ = std::move(engine).value();
  }

  static Request request(const BeamOptions& beams, uint32_t answers, uint32_t tokens) {
    return {.prompt_tokens = {1, 5, 9},
            .new_tokens_max = tokens,
            .sequence_count = answers,
            .ignore_eos = true,
            .top_logprobs = 0,
            .beams = beams};
  }

  std::vector<Found> run(const Request& made) {
    std::vector<Found> found(made.sequence_count);
    std::promise<void> done;
    const auto id = engine_->submit(
        made,
        [&](const TokenEvent& event) {
          Found& answer = found[event.sequence_index];
          if (event.token) answer.tokens.push_back(*event.token);
          if (event.logprob) answer.logprobs.push_back(event.logprob->logprob);
          if (event.finish != FinishReason::none) answer.finish = event.finish;
        },
        [&](const RequestTimings& timings) {
          timings_ = timings;
          done.set_value();
        });
    EXPECT_TRUE(id.ok()) << id.error().message;
    if (id.ok()) done.get_future().get();
    return found;
  }

  /// Log-probabilities of what follows.
  std::vector<double> following(const std::vector<TokenId>& tokens) {
    const ForwardOutput output = engine_->forward(tokens, 0, false).value();
    const auto vocabulary = static_cast<size_t>(output.vocabulary_size);
    const float* const row = output.logits.data() + (tokens.size() - 1) * vocabulary;
    double sum = 0;
    for (size_t i = 0; i < vocabulary; ++i) sum += std::exp(static_cast<double>(row[i]));
    std::vector<double> all;
    for (size_t i = 0; i < vocabulary; ++i) all.push_back(static_cast<double>(row[i]) - std::log(sum));
    return all;
  }

  /// The definition, over every token of the vocabulary.
  std::vector<Found> search(const Request& made) {
    struct Open {
      std::vector<TokenId> tokens;
      double logprob = 0;
    };
    const size_t width = made.beams->width;
    std::vector<Open> open(1);
    std::vector<Found> ended;
    const auto end = [&](const Open& beam, size_t length, FinishReason finish) {
      const double score = beam.logprob / std::pow(static_cast<double>(length), made.beams->length_penalty);
      ended.push_back({beam.tokens, {}, finish, score});
      std::ranges::stable_sort(ended, std::ranges::greater(), &Found::score);
      if (ended.size() > width) ended.pop_back();
    };
    for (size_t length = 1; length <= made.new_tokens_max; ++length) {
      std::vector<Open> all;
      for (const Open& beam : open) {
        std::vector<TokenId> tokens = made.prompt_tokens;
        tokens.insert(tokens.end(), beam.tokens.begin(), beam.tokens.end());
        const std::vector<double> next = following(tokens);
        for (size_t i = 0; i < next.size(); ++i) {
          all.push_back({beam.tokens, beam.logprob + next[i]});
          all.back().tokens.push_back(static_cast<TokenId>(i));
        }
      }
      std::ranges::stable_sort(all, std::ranges::greater(), &Open::logprob);
      open.clear();
      for (size_t place = 0; place < 2 * width && open.size() < width; ++place) {
        const bool ends = std::ranges::find(made.stop_tokens, all[place].tokens.back()) != made.stop_tokens.end();
        if (!ends) {
          open.push_back(all[place]);
        } else if (place < width) {
          all[place].tokens.pop_back();
          end(all[place], length, FinishReason::stop);
        }
      }
      const double reachable = open.front().logprob / std::pow(static_cast<double>(length), made.beams->length_penalty);
      if (ended.size() == width && (made.beams->early_stopping || ended.back().score >= reachable)) break;
    }
    for (const Open& beam : open) end(beam, beam.tokens.size(), FinishReason::length);
    ended.resize(made.sequence_count);
    return ended;
  }

  void expect_definition(const Request& made) {
    const std::vector<Found> found = run(made), expected = search(made);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].tokens, expected[i].tokens) << "answer " << i;
      EXPECT_EQ(found[i].finish, expected[i].finish) << "answer " << i;
      EXPECT_EQ(found[i].logprobs.size(), found[i].tokens.size());
    }
  }

  models::TemporaryFolder folder_;
  std::unique_ptr<Engine> engine_;
  RequestTimings timings_;
};

TEST_F(BeamSearchTest, finds_what_the_definition_finds) {
  for (const uint32_t width : {1U, 2U, 4U, 7U}) {
    SCOPED_TRACE(width);
    expect_definition(request({.width = width}, 1, 12));
    expect_definition(request({.width = width}, width, 40));  // over the borders of pages
  }
}

TEST_F(BeamSearchTest, one_beam_is_greedy) {
  Request greedy = request({}, 1, 30);
  greedy.beams.reset();
  greedy.sampling.temperature = 0;
  EXPECT_EQ(run(request({.width = 1}, 1, 30))[0].tokens, run(greedy)[0].tokens);
}

TEST_F(BeamSearchTest, answers_end_at_stop_tokens_and_are_scored_by_length) {
  const std::vector<TokenId> whole = run(request({.width = 3}, 1, 12))[0].tokens;
  for (const float penalty : {0.0F, 1.0F, 3.0F, -1.0F}) {
    for (const bool early : {false, true}) {
      SCOPED_TRACE(testing::Message() << "penalty " << penalty << ", early " << early);
      Request made = request({.width = 3, .length_penalty = penalty, .early_stopping = early}, 3, 16);
      made.stop_tokens = {whole[2], whole[5], whole[7]};
      expect_definition(made);
    }
  }
}

TEST_F(BeamSearchTest, many_searches_at_once_find_what_each_finds_alone) {
  std::vector<Request> made;
  for (const uint32_t width : {2U, 3U, 5U, 4U}) made.push_back(request({.width = width}, width, 20));
  std::vector<std::vector<Found>> alone;
  for (const Request& one : made) alone.push_back(run(one));
  std::vector<std::vector<std::vector<TokenId>>> tokens(made.size());
  std::vector<std::promise<void>> done(made.size());
  for (size_t i = 0; i < made.size(); ++i) {
    tokens[i].resize(made[i].sequence_count);
    const auto id = engine_->submit(
        made[i],
        [&, i](const TokenEvent& event) {
          if (event.token) tokens[i][event.sequence_index].push_back(*event.token);
        },
        [&, i](const RequestTimings&) { done[i].set_value(); });
    ASSERT_TRUE(id.ok()) << id.error().message;
  }
  for (size_t i = 0; i < made.size(); ++i) {
    done[i].get_future().get();
    for (size_t k = 0; k < tokens[i].size(); ++k) EXPECT_EQ(tokens[i][k], alone[i][k].tokens) << i << ", " << k;
  }
}

TEST_F(BeamSearchTest, counts_what_was_found_and_shares_the_prompt) {
  Request made = request({.width = 4}, 2, 10);
  made.prompt_tokens.assign(100, 3);
  run(made);
  EXPECT_EQ(timings_.prompt_tokens, 100U);
  EXPECT_EQ(timings_.new_tokens, 20U);
  EXPECT_GE(engine_->stats().prefix_hits, 96U * 4 * 9);  // of each beam of each later step
  EXPECT_EQ(timings_.pinned_tokens, 0U);
  made.pin_seconds = 300;
  run(made);
  EXPECT_EQ(timings_.pinned_tokens, 96U);
  EXPECT_EQ(engine_->stats().prefix_pinned_pages, 3U);
}

TEST_F(BeamSearchTest, a_cancelled_search_ends) {
  Request made = request({.width = 4}, 2, 1000);
  made.prompt_tokens.assign(20, 3);
  std::promise<void> done;
  std::vector<FinishReason> finished;
  const auto id = engine_->submit(
      made, [&](const TokenEvent& event) { finished.push_back(event.finish); },
      [&](const RequestTimings&) { done.set_value(); });
  ASSERT_TRUE(id.ok());
  engine_->cancel(id.value());
  done.get_future().get();
  EXPECT_EQ(finished, std::vector<FinishReason>(2, FinishReason::cancelled));
}

TEST_F(BeamSearchTest, what_it_cannot_do_is_refused) {
  const auto refused = [&](const Request& made) {
    return engine_->submit(made, [](const TokenEvent&) {}, nullptr).error().message;
  };
  EXPECT_EQ(refused(request({.width = 2}, 3, 5)), "2 beams for 3 answers, expected as many or more, at most 50");
  EXPECT_EQ(refused(request({.width = 51}, 3, 5)), "51 beams for 3 answers, expected as many or more, at most 50");
  Request stopping = request({.width = 2}, 1, 5);
  stopping.stop_strings = {"x"};
  Request thinking = request({.width = 2}, 1, 5);
  thinking.reasoning.emplace();
  EXPECT_EQ(refused(thinking), refused(stopping));
  EXPECT_EQ(refused(stopping),
            "beam search takes no constraint, no limit of reasoning, no stop strings and gives no log-probabilities of "
            "the prompt");
}

}  // namespace
}  // namespace kedge
