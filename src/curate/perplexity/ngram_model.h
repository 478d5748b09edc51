#pragma once
// Language models of runs of words (ARPA files, as KenLM and SRILM write them, and KenLM's binaries), and what they say
// of texts.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "curate/code_text.h"
#include "kedge/result.h"
#include "kedge/tokenizer.h"

namespace kedge::curate {

/// Immutable; safe from any thread.
class NgramModel {
 public:
  NgramModel() = default;
  NgramModel(const NgramModel&) = delete;
  NgramModel& operator=(const NgramModel&) = delete;
  virtual ~NgramModel() = default;

  /// By content: ARPA text, or a binary of KenLM's (kenlm_model.h). Fails with not_found, corrupt_data or unsupported
  /// (another version of the format; more than ten words).
  static Result<std::unique_ptr<NgramModel>> open(const std::filesystem::path& path);
  /// `name` is for messages; a binary's bytes must outlive the model.
  static Result<std::unique_ptr<NgramModel>> parse(std::string_view bytes, const std::string& name);

  struct Score {
    double log10 = 0;     // sum over words and the end of the sentence
    uint64_t tokens = 0;  // words, and one for the end
  };
  /// Of one sentence between <s> and </s>. KenLM's Model.score.
  [[nodiscard]] virtual Score score(std::span<const std::string_view> words) const = 0;
  /// Words as white space (ASCII) cuts them.
  [[nodiscard]] Score score(std::string_view sentence) const;
};

/// CCNet's normal form of a line (Wenzek et al. 2020): lower case, no accents, digits 0, ASCII punctuation, nothing
/// that cannot be printed.
std::u32string normalize_as_ccnet(CodeView line);

/// CCNet's perplexity of a text: 10 ^ -(sum of the lines' log10) / (their words, and one each).
double perplexity_of(const NgramModel& model, std::string_view text, bool normalize);

/// The same of the pieces that SentencePiece makes of a text: CCNet normalizes the text as a whole, which joins its
/// lines, and cuts it then. Fails as Tokenizer::encode does.
Result<double> perplexity_of_pieces(const NgramModel& model, const Tokenizer& tokenizer, std::string_view text,
                                    bool normalize);

/// data-juicer's perplexity_filter (1.6.1): of the pieces of the text as it is, with a sentence's end at each line end
/// that is a piece's, rounded to one decimal place; 0 for a text without pieces. Fails likewise.
Result<double> juicer_perplexity(const NgramModel& model, const Tokenizer& tokenizer, std::string_view text);

}  // namespace kedge::curate
