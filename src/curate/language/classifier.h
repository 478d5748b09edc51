#pragma once
// Classifiers of texts in fastText's format: what they say, and how one is trained.

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "curate/language/language.h"
#include "kedge/result.h"

namespace kedge::curate {

/// A language model whose labels need not be languages. Immutable; safe from any thread.
class TextClassifier : public LanguageModel {
 public:
  /// Without "__label__".
  [[nodiscard]] virtual const std::vector<std::string>& labels() const = 0;
  /// The probability of a label; 0 when there is nothing to judge. REQUIRES: label < labels().size().
  [[nodiscard]] virtual double score_of(std::string_view text, size_t label) const = 0;
};

/// Plain (.bin) or compressed (.ftz). Fails with not_found, corrupt_data or unsupported.
Result<std::unique_ptr<TextClassifier>> open_classifier(const std::filesystem::path& path);

/// fastText's settings of supervised training, with its defaults.
struct TrainOptions {
  enum class Loss : uint8_t { softmax, hierarchical };
  Loss loss = Loss::softmax;
  int32_t dimension = 100;
  int32_t epochs = 5;
  double learning_rate = 0.1;            // falls to 0 in a straight line
  int32_t word_ngrams = 1;               // runs of up to so many words
  int32_t piece_min = 0, piece_max = 0;  // characters of the pieces of words; 0: none
  int32_t bucket_count = 2'000'000;      // of the hashes of runs and pieces
  int64_t word_count_min = 1;            // words seen less often are left out
  uint64_t seed = 0;
};

struct LabelledText {
  std::string label, text;
};

struct Trained {
  size_t words = 0, labels = 0;
  uint64_t tokens = 0;  // of one epoch
  double loss = 0;      // mean of the last epoch, natural log
};

/// Trains by stochastic gradient descent, one text after the other in the order given, on one thread: the same texts
/// and options give the same file on every machine with the same arithmetic. The file, which appears whole or not at
/// all, is one that fastText reads. `on_progress`: share done and mean loss so far; may be empty. Fails with
/// invalid_input (fewer than two labels, no words), out_of_memory or cancelled.
Result<Trained> train_classifier(const std::vector<LabelledText>& texts, const TrainOptions& options,
                                 const std::filesystem::path& output,
                                 const std::function<void(double share, double loss)>& on_progress,
                                 const std::stop_token& stop);

}  // namespace kedge::curate
