#pragma once
// Language models of runs of words (ARPA files, as KenLM and SRILM write them), and what they say of texts.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "curate/code_text.h"
#include "kedge/result.h"

namespace kedge::curate {

/// Back-off lookup (Katz 1987; modified Kneser-Ney as Heafield et al. 2013 store it). Immutable; safe from any thread.
class NgramModel {
 public:
  /// Fails with not_found, corrupt_data or unsupported (a binary of KenLM's; more than ten words).
  static Result<std::unique_ptr<NgramModel>> open(const std::filesystem::path& path);
  /// `name` is for messages.
  static Result<std::unique_ptr<NgramModel>> parse(std::string_view arpa, const std::string& name);

  struct Score {
    double log10 = 0;     // sum over words and the end of the sentence
    uint64_t tokens = 0;  // words, and one for the end
  };
  /// Of one sentence between <s> and </s>, words as white space (ASCII) cuts them. KenLM's Model.score.
  [[nodiscard]] Score score(std::string_view sentence) const;

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

/// CCNet's normal form of a line (Wenzek et al. 2020): lower case, no accents, digits 0, ASCII punctuation, nothing
/// that cannot be printed.
std::u32string normalize_as_ccnet(CodeView line);

/// CCNet's perplexity of a text: 10 ^ -(sum of the lines' log10) / (their words, and one each).
double perplexity_of(const NgramModel& model, std::string_view text, bool normalize);

}  // namespace kedge::curate
