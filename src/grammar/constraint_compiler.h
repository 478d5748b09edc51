#pragma once
// From a request's constraint to a grammar bound to a vocabulary, and the cache of those.

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "grammar/matcher.h"
#include "grammar/structural_tag.h"
#include "kedge/constraint.h"

namespace kedge::grammar {

/// Fails with invalid_input: what is wrong, with its place in the source.
Result<std::shared_ptr<const Grammar>> compile(const Constraint& constraint, const FindToken& find_token,
                                               const Limits& limits = {});

/// For one tokenizer, which outlives it. Thread-safe.
class ConstraintCompiler {
 public:
  ConstraintCompiler(const Tokenizer& tokenizer, std::span<const TokenId> end_tokens)
      : tokenizer_(tokenizer), end_tokens_(end_tokens.begin(), end_tokens.end()) {}

  /// Compiles, or takes what an equal source became before. Fails as compile does.
  Result<std::shared_ptr<const BoundGrammar>> compile(const Constraint& constraint);

 private:
  static constexpr size_t kEntriesMax = 128;
  static constexpr size_t kBytesMax = size_t{256} << 20;

  struct Entry {
    std::string key;
    std::shared_ptr<const BoundGrammar> grammar;
    size_t bytes = 0;
  };

  std::shared_ptr<const Vocabulary> vocabulary();
  std::shared_ptr<const BoundGrammar> find(const std::string& key);
  void keep(std::string key, std::shared_ptr<const BoundGrammar> grammar);

  const Tokenizer& tokenizer_;
  const std::vector<TokenId> end_tokens_;
  std::once_flag once_;
  std::shared_ptr<const Vocabulary> vocabulary_;  // made when it is first needed

  std::mutex mutex_;
  std::list<Entry> entries_;                                                // most recently used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;  // keys point into entries_
  size_t bytes_ = 0;
};

}  // namespace kedge::grammar
