#pragma once
// Models of runs of words as ARPA text.

#include <string>
#include <unordered_map>

#include "curate/perplexity/ngram_model.h"

namespace kedge::curate {

inline constexpr size_t kNgramOrderMax = 10;
inline constexpr std::string_view kAsciiSpaces(" \t\n\r\v\f\0", 7);

/// `words`: those of `text`, in place of what was there.
void split_ascii(std::string_view text, std::vector<std::string_view>& words);

/// Back-off lookup (Katz 1987; modified Kneser-Ney as Heafield et al. 2013 store it).
class ArpaModel final : public NgramModel {
 public:
  static Result<std::unique_ptr<NgramModel>> parse(std::string_view arpa, const std::string& name);

  using NgramModel::score;
  [[nodiscard]] Score score(std::span<const std::string_view> words) const override;

 private:
  struct Weights {
    float probability = 0, backoff = 0;  // log10
  };
  class Reader;

  [[nodiscard]] uint32_t id_of(std::string_view word) const;
  [[nodiscard]] const Weights* find(std::span<const uint32_t> words) const;
  [[nodiscard]] double probability(std::span<const uint32_t> context, uint32_t word) const;

  size_t order_ = 0;
  std::unordered_map<std::string, uint32_t> ids_;  // 0: <unk>
  std::vector<Weights> unigrams_;
  std::unordered_map<uint64_t, Weights> runs_;  // by a 64-bit hash of their ids, as KenLM's own tables
  uint32_t begin_ = 0, end_ = 0;
};

}  // namespace kedge::curate
