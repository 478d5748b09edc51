#include "engine/draft_model.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace kedge::engine {
namespace {

constexpr double kNewShare = 0.125;  // of a measured time
constexpr int64_t kUnreadMax = 2;    // tokens that the first pass of a guess reads: the last one, and a guess before it

}  // namespace

DraftModel::Reader& DraftModel::reader_of(SequenceKey key) {
  std::unique_ptr<Reader>& reader = readers_[key];
  if (!reader) reader = std::make_unique<Reader>(*runtime_.kv_pool);
  return *reader;
}

void DraftModel::forget(SequenceKey key) {
  if (readers_.erase(key) > 0) without_pages_.clear();  // there is room again
  without_pages_.erase(key);
}

TokenId DraftModel::run(SequenceKv& kv, std::span<const TokenId> tokens, int64_t first, int64_t length,
                        models::Phase phase) {
  const models::TokenRun run{.tokens = tokens,
                             .first = first,
                             .length = length,
                             .cache = &kv,
                             .output_from = static_cast<int64_t>(tokens.size()) - 1};
  const std::span<const float> logits =
      runtime_.decoder->forward(*runtime_.workers, phase, std::span<const models::TokenRun>(&run, 1));
  const int64_t known = std::min(vocabulary_, runtime_.decoder->spec().vocabulary_size);
  return static_cast<TokenId>(cpu::argmax(logits.data(), known));
}

bool DraftModel::catch_up(SequenceKey key, std::span<const TokenId> tokens, int64_t tokens_max) {
  if (without_pages_.contains(key)) return false;
  Reader& reader = reader_of(key);
  SequenceKv& kv = reader.kv;
  const auto count = static_cast<int64_t>(tokens.size());
  const std::vector<TokenId> ahead = std::exchange(reader.ahead, {});
  if (const int regime = runtime_.regime(count); regime != reader.regime) {
    kv.clear();
    reader.regime = regime;
  } else {
    // Guesses that were right have been read.
    for (size_t i = 0; i < ahead.size() && kv.length() < count - 1; ++i) {
      if (ahead[i] != tokens[static_cast<size_t>(kv.length())]) break;
      kv.advance(1);
    }
  }
  while (count - kv.length() > kUnreadMax && tokens_max > 0) {
    const int64_t first = kv.length();
    const int64_t chunk = std::min({count - 1 - first, tokens_max, runtime_.batch_tokens_max});
    if (!kv.reserve(chunk)) {
      readers_.erase(key);
      without_pages_.insert(key);
      return false;
    }
    run(kv, tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(chunk)), first, count,
        models::Phase::prefill);
    kv.advance(chunk);
    tokens_max -= chunk;
  }
  return count - kv.length() <= kUnreadMax;
}

void DraftModel::guess(SequenceKey key, std::span<const TokenId> tokens, int64_t count, std::vector<TokenId>& guess) {
  Reader& reader = reader_of(key);
  SequenceKv& kv = reader.kv;
  guess.clear();
  const auto start = std::chrono::steady_clock::now();
  const auto length = static_cast<int64_t>(tokens.size());
  if (!kv.reserve(length - kv.length())) return;
  guess.push_back(
      run(kv, tokens.subspan(static_cast<size_t>(kv.length())), kv.length(), length, models::Phase::decode));
  kv.advance(length - kv.length());
  while (std::cmp_less(guess.size(), count)) {
    const auto ahead = static_cast<int64_t>(reader.ahead.size());
    if (!kv.reserve(ahead + 1)) break;
    // Nothing is counted: the guess may be wrong, and what comes then writes over it.
    const TokenId last = guess.back();
    guess.push_back(run(kv, {&last, 1}, length + ahead, length + ahead + 1, models::Phase::decode));
    reader.ahead.push_back(last);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                         static_cast<double>(guess.size());
  token_seconds_ = token_seconds_ == 0 ? seconds : token_seconds_ + kNewShare * (seconds - token_seconds_);
}

}  // namespace kedge::engine
