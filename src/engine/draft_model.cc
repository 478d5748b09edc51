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
  Reader& reader = readers_[key];
  if (!reader.kv) {
    reader.kv = std::make_unique<SequenceKv>(*runtime_.kv_pool);
    reader.place = used_.insert(used_.end(), key);
  }
  used_.splice(used_.end(), used_, reader.place);
  return reader;
}

void DraftModel::forget(SequenceKey key) {
  const auto found = readers_.find(key);
  if (found == readers_.end()) return;
  used_.erase(found->second.place);
  readers_.erase(found);
}

bool DraftModel::reserve(SequenceKey key, Reader& reader, int64_t count) {
  while (!reader.kv->reserve(count)) {
    if (used_.front() == key) return false;
    forget(used_.front());
  }
  return true;
}

TokenId DraftModel::run(SequenceKv& kv, std::span<const TokenId> tokens, int64_t first, models::Phase phase) {
  const auto count = static_cast<int64_t>(tokens.size());
  const models::TokenRun run{
      .tokens = tokens, .first = first, .length = first + count, .cache = &kv, .output_from = count - 1};
  const std::span<const float> logits =
      runtime_.decoder->forward(*runtime_.workers, phase, std::span<const models::TokenRun>(&run, 1));
  const int64_t known = std::min(vocabulary_, runtime_.decoder->spec().vocabulary_size);
  return static_cast<TokenId>(cpu::argmax(logits.data(), known));
}

bool DraftModel::catch_up(SequenceKey key, std::span<const TokenId> tokens, int64_t tokens_max) {
  Reader& reader = reader_of(key);
  SequenceKv& kv = *reader.kv;
  const auto count = static_cast<int64_t>(tokens.size());
  if (runtime_.regime(count) != runtime_.regime(std::max<int64_t>(kv.length(), 1))) kv.clear();
  // Guesses that were right have been read.
  for (const TokenId token : std::exchange(reader.ahead, {})) {
    if (kv.length() >= count - 1 || token != tokens[static_cast<size_t>(kv.length())]) break;
    kv.advance(1);
  }
  while (count - kv.length() > kUnreadMax && tokens_max > 0) {
    const int64_t first = kv.length();
    const int64_t chunk = std::min({count - 1 - first, tokens_max, runtime_.batch_tokens_max});
    if (!reserve(key, reader, chunk)) return false;
    run(kv, tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(chunk)), first, models::Phase::prefill);
    kv.advance(chunk);
    tokens_max -= chunk;
  }
  return count - kv.length() <= kUnreadMax;
}

void DraftModel::guess(SequenceKey key, std::span<const TokenId> tokens, int64_t count, std::vector<TokenId>& guess) {
  Reader& reader = reader_of(key);
  SequenceKv& kv = *reader.kv;
  guess.clear();
  const auto start = std::chrono::steady_clock::now();
  const auto length = static_cast<int64_t>(tokens.size());
  if (!reserve(key, reader, length - kv.length())) return;
  guess.push_back(run(kv, tokens.subspan(static_cast<size_t>(kv.length())), kv.length(), models::Phase::decode));
  kv.advance(length - kv.length());
  while (std::cmp_less(guess.size(), count)) {
    const auto ahead = static_cast<int64_t>(reader.ahead.size());
    if (!reserve(key, reader, ahead + 1)) break;
    // Nothing is counted: the guess may be wrong, and what comes then writes over it.
    const TokenId last = guess.back();
    guess.push_back(run(kv, {&last, 1}, length + ahead, models::Phase::decode));
    reader.ahead.push_back(last);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                         static_cast<double>(guess.size());
  token_seconds_ = token_seconds_ == 0 ? seconds : token_seconds_ + kNewShare * (seconds - token_seconds_);
}

}  // namespace kedge::engine
