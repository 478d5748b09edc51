#pragma once
// What is done to a text before it is cut into words.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "text/unicode/normalization.h"

namespace kedge::text {

/// One step. Immutable; safe from any thread.
class Normalizer {
 public:
  virtual ~Normalizer() = default;

  /// Whether `text` certainly comes out as it went in: saves a copy.
  [[nodiscard]] virtual bool keeps(std::string_view text) const = 0;

  /// Replaces `text`. Any bytes. `at_start`: the fragment begins the whole text (a special token before it ends that).
  virtual Status apply(std::string& text, bool at_start) const = 0;
};

/// Fails with unsupported when a step has made `grown` bytes of `size`: no real normalizer makes a text much longer, a
/// hostile one could, exponentially.
Status check_growth(size_t size, size_t grown);

/// Steps one after the other.
class NormalizerChain {
 public:
  void add(std::unique_ptr<const Normalizer> step) { steps_.push_back(std::move(step)); }
  [[nodiscard]] bool empty() const { return steps_.empty(); }
  [[nodiscard]] size_t size() const { return steps_.size(); }

  /// The normalized text: `text` itself, or a view of `storage`.
  Result<std::string_view> apply(std::string_view text, bool at_start, std::string& storage) const;

 private:
  std::vector<std::unique_ptr<const Normalizer>> steps_;
};

struct BertNormalizerOptions {
  bool clean_text = true;
  bool separate_ideographs = true;
  bool strip_accents = true;
  bool lower_case = true;
};

std::unique_ptr<const Normalizer> make_form_normalizer(NormalizationForm form);
std::unique_ptr<const Normalizer> make_lower_case_normalizer();
std::unique_ptr<const Normalizer> make_strip_accents_normalizer();
std::unique_ptr<const Normalizer> make_bert_normalizer(const BertNormalizerOptions& options);

/// `only_at_start`: not after a special token.
std::unique_ptr<const Normalizer> make_prepend_normalizer(std::string prefix, bool only_at_start = false);
std::unique_ptr<const Normalizer> make_replace_normalizer(std::string from, std::string to);

/// Fails as RegexPattern::compile does.
Result<std::unique_ptr<const Normalizer>> make_regex_replace_normalizer(std::string_view pattern, std::string to);
std::unique_ptr<const Normalizer> make_strip_normalizer(bool left, bool right);

/// The clean-up of the NMT task that some SentencePiece models use: control characters go, odd spaces become spaces.
std::unique_ptr<const Normalizer> make_nmt_normalizer();

}  // namespace kedge::text
