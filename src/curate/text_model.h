#pragma once
// What operators ask of language models and encoders. Whoever has an engine says how one is opened; this folder runs
// none.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"

namespace kedge::curate {

/// Safe from any thread.
class TextModel {
 public:
  TextModel() = default;
  TextModel(const TextModel&) = delete;
  TextModel& operator=(const TextModel&) = delete;
  virtual ~TextModel() = default;

  /// Of unit length. Fails with unsupported where the model gives none.
  [[nodiscard]] virtual Result<std::vector<float>> embedding(std::string_view text) const = 0;

  struct Likelihood {
    double logprob = 0;  // natural logarithms, summed
    size_t tokens = 0;
  };
  /// Of the text, in windows one after the other that know nothing of each other, each behind the token that begins a
  /// text. Fails with unsupported where the model predicts no tokens.
  [[nodiscard]] virtual Result<Likelihood> likelihood(std::string_view text) const = 0;

  /// The most tokens of a text that a classification head is shown; 0: nobody knows.
  [[nodiscard]] virtual size_t tokens_max() const { return 0; }
  /// What a classification head with one label says, raw, of the first `tokens_max` tokens, special ones among them (0:
  /// of as many as there may be). Fails with unsupported where there is none.
  [[nodiscard]] virtual Result<double> score(std::string_view text, size_t tokens_max) const = 0;

  /// The labels of a classification head; none without one. `multi_label`: any of them may hold.
  struct Head {
    std::vector<std::string> labels;
    bool multi_label = false;
  };
  [[nodiscard]] virtual Head head() const { return {}; }
  /// The same of a head with any number of labels: one number each.
  [[nodiscard]] virtual Result<std::vector<float>> logits(std::string_view text, size_t tokens_max) const;
};

using ModelOpener = std::function<Result<std::shared_ptr<const TextModel>>(const std::string& name)>;

/// How models are opened from now on. REQUIRES: no pipeline has been read yet.
void set_model_opener(ModelOpener opener);

/// `name`: a path, from `folder` on if something is there, or else what the opener knows by this name. Fails with what
/// it returns, or unsupported: nobody said how.
Result<std::shared_ptr<const TextModel>> open_text_model(const std::string& name,
                                                         const std::filesystem::path& folder = {});

}  // namespace kedge::curate
