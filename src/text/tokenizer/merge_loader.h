#pragma once
// From a list of merges by their spelling to the merges of a model by ids.

#include <array>
#include <string>
#include <string_view>

#include "kedge/result.h"
#include "text/tokenizer/bpe_model.h"
#include "text/tokenizer/vocabulary.h"

namespace kedge::text {

/// Takes merges in the order of their ranks. Large vocabularies have half a million of them, and nearly every look-up
/// waits for memory: merges are gathered, and each step is done for all of them before the next.
class MergeLoader {
 public:
  /// `where` begins the messages. REQUIRES: vocabulary and model outlive the loader.
  MergeLoader(const Vocabulary& vocabulary, BpeModel& model, std::string_view where)
      : vocabulary_(vocabulary), model_(model), where_(where), guess_(vocabulary.is_unique()) {}

  /// The views must last until `finish`. Fails with corrupt_data (of this merge or one before it: a part or the whole
  /// is not in the vocabulary) or as BpeModel::add_merge does.
  Status add(std::string_view left, std::string_view right);

  /// Must be called after the last merge. Fails as `add` does.
  Status finish();

 private:
  struct Pending {
    Vocabulary::Search left;
    Vocabulary::Search right;
    TokenId left_id = 0;
    TokenId right_id = 0;
    TokenId merged = 0;
  };

  [[nodiscard]] std::optional<TokenId> find_merged(const Pending& merge);

  const Vocabulary& vocabulary_;
  BpeModel& model_;
  std::string where_;
  bool guess_;
  TokenId last_merged_ = 0;
  uint32_t rank_ = 0;
  std::string joined_;
  size_t count_ = 0;
  std::array<Pending, 64> pending_;
};

}  // namespace kedge::text
