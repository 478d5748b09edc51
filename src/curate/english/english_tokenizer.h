#pragma once
// Words and sentences of English text by the rules that spaCy's blank English pipeline follows.

#include <memory>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

/// Immutable; safe from any thread.
class EnglishTokenizer {
 public:
  /// The one instance; its tables are made at the first call.
  static const EnglishTokenizer& instance();
  EnglishTokenizer(const EnglishTokenizer&) = delete;
  EnglishTokenizer& operator=(const EnglishTokenizer&) = delete;
  ~EnglishTokenizer();

  /// Views into `text`, in order; white space that is more than one space is a token of its own.
  [[nodiscard]] std::vector<CodeView> tokenize(CodeView text) const;

  /// How many sentences: a new one begins with the first token after a closing mark that is no punctuation itself.
  [[nodiscard]] static size_t count_sentences(const std::vector<CodeView>& tokens);

 private:
  EnglishTokenizer();
  struct Tables;
  std::unique_ptr<const Tables> tables_;
};

}  // namespace kedge::curate
