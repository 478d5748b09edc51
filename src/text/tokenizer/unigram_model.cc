#include "text/tokenizer/unigram_model.h"

#include <algorithm>

#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

// How much worse than the worst token an unknown character is: SentencePiece's constant.
constexpr double kUnknownPenalty = 10.0;

}  // namespace

void UnigramModel::add(TokenId id, double score) {
  scores_[static_cast<size_t>(id)] = score;
  score_min_ = has_scores_ ? std::min(score_min_, score) : score;
  score_max_ = std::max(score_max_, score);
  has_scores_ = true;
  trie_.add(vocabulary_->piece(id), static_cast<uint32_t>(id));
}

void UnigramModel::add_user_defined(TokenId id) {
  const std::string_view piece = vocabulary_->piece(id);
  const double score = static_cast<double>(piece.size()) * score_max_ - 0.1;
  scores_[static_cast<size_t>(id)] = options_.single_precision ? static_cast<double>(static_cast<float>(score)) : score;
  trie_.add(piece, static_cast<uint32_t>(id));
}

double UnigramModel::sum(double a, double b) const {
  return options_.single_precision ? static_cast<double>(static_cast<float>(a) + static_cast<float>(b)) : a + b;
}

void UnigramModel::find_best_paths(std::string_view word, EncodeWorkspace::Paths& paths) const {
  paths.assign(word.size() + 1, {});
  const double unknown_score = sum(score_min_, -kUnknownPenalty);
  constexpr TokenId kUnreached = -2;
  for (auto& path : paths) path.id = kUnreached;
  const auto offer = [&](size_t begin, size_t end, TokenId id, double score) {
    EncodeWorkspace::BestPath& path = paths[end];
    const double total = sum(paths[begin].score, score);
    if (path.id == kUnreached || total > path.score) path = {total, static_cast<uint32_t>(begin), id};
  };
  for (size_t begin = 0; begin < word.size();) {
    const std::string_view rest = word.substr(begin);
    const size_t character_size = decode_character(rest).size;
    bool covered = false;  // by a token of exactly this character
    trie_.for_each_prefix(rest, [&](const PrefixTrie::Match& match) {
      offer(begin, begin + match.size, static_cast<TokenId>(match.value), scores_[match.value]);
      covered |= match.size == character_size;
    });
    if (!covered) offer(begin, begin + character_size, UnknownPolicy::kNone, unknown_score);
    begin += character_size;
  }
}

void UnigramModel::encode(std::string_view word, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const {
  if (word.empty()) return;
  auto& paths = workspace.paths;
  find_best_paths(word, paths);
  // The links lead backwards: write the ids from the last to the first, then turn them round.
  const size_t first = ids.size();
  const UnknownPolicy& policy = options_.unknown;
  bool after_unknown = false;
  for (size_t end = word.size(); end > 0; end = paths[end].begin) {
    const EncodeWorkspace::BestPath& path = paths[end];
    const std::string_view text = word.substr(path.begin, end - path.begin);
    if (path.id != UnknownPolicy::kNone && path.id != policy.unknown) {
      ids.push_back(path.id);
      after_unknown = false;
    } else if (policy.has_bytes_for(text)) {
      for (auto byte = text.rbegin(); byte != text.rend(); ++byte) {
        ids.push_back(policy.byte_tokens[static_cast<uint8_t>(*byte)]);
      }
      after_unknown = false;
    } else if (policy.unknown != UnknownPolicy::kNone && !(policy.fuse && after_unknown)) {
      ids.push_back(policy.unknown);
      after_unknown = true;
    }
  }
  std::reverse(ids.begin() + static_cast<ptrdiff_t>(first), ids.end());
}

}  // namespace kedge::text
