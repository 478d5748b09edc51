#include "engine/ngram_guess.h"

#include <algorithm>
#include <bit>

namespace kedge::engine {
namespace {

constexpr size_t kHeadsMin = 256;
constexpr int kPlacesMax = 16;    // that are compared
constexpr size_t kMatchMax = 32;  // tokens beyond which a longer match is no better

size_t hash_of(const TokenId* last) {
  uint64_t hash = 0;
  for (size_t i = 0; i < kGuessMatchMin; ++i) {
    hash = (hash ^ static_cast<uint32_t>(last[-static_cast<ptrdiff_t>(i)])) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 29;
  }
  return static_cast<size_t>(hash);
}

size_t match_length(std::span<const TokenId> tokens, size_t end) {
  size_t length = 0;
  while (length < kMatchMax && length <= end && tokens[end - length] == tokens[tokens.size() - 1 - length]) ++length;
  return length;
}

}  // namespace

void NgramIndex::resize_heads(std::span<const TokenId> tokens) {
  heads_.assign(std::bit_ceil(std::max(kHeadsMin, 2 * tokens.size())), -1);
  for (size_t end = kGuessMatchMin - 1; end < previous_.size(); ++end) {
    int32_t& head = heads_[hash_of(&tokens[end]) & (heads_.size() - 1)];
    previous_[end] = head;
    head = static_cast<int32_t>(end);
  }
}

/// The run at the very end is left out: nothing has followed it yet.
void NgramIndex::extend(std::span<const TokenId> tokens) {
  if (tokens.size() > heads_.size()) resize_heads(tokens);
  while (previous_.size() + 1 < tokens.size()) {
    const size_t end = previous_.size();
    previous_.push_back(-1);
    if (end + 1 < kGuessMatchMin) continue;
    int32_t& head = heads_[hash_of(&tokens[end]) & (heads_.size() - 1)];
    previous_[end] = head;
    head = static_cast<int32_t>(end);
  }
}

size_t NgramIndex::guess(std::span<const TokenId> tokens, size_t count, std::vector<TokenId>& guess) {
  guess.clear();
  if (tokens.size() <= kGuessMatchMin) return 0;
  extend(tokens);
  int32_t place = heads_[hash_of(&tokens.back()) & (heads_.size() - 1)];
  size_t best = 0, best_length = 0;
  for (int places = 0; place >= 0 && places < kPlacesMax; ++places, place = previous_[static_cast<size_t>(place)]) {
    const size_t length = match_length(tokens, static_cast<size_t>(place));
    if (length > best_length) {
      best = static_cast<size_t>(place);
      best_length = length;
    }
    if (best_length == kMatchMax) break;
  }
  if (best_length < kGuessMatchMin) return 0;
  // Past the end of what is known, the guess itself goes on: text that repeats itself.
  for (size_t i = 0; i < count; ++i) {
    const size_t from = best + 1 + i;
    guess.push_back(from < tokens.size() ? tokens[from] : guess[from - tokens.size()]);
  }
  return best_length;
}

}  // namespace kedge::engine
