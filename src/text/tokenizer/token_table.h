#pragma once
// Strings by id and ids by string: the storage behind a vocabulary.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/tokenizer.h"

namespace kedge::text {

/// Ids may have gaps. Of two ids with one string, the string belongs to the one added first.
class TokenTable {
 public:
  void reserve(size_t tokens, size_t bytes);

  /// False when `id` has an entry already. REQUIRES: 0 <= id < kTokenCountMax, token.size() <= kTokenBytesMax.
  bool add(TokenId id, std::string_view token);

  /// The same for a token that `find` need not know.
  bool add_text(TokenId id, std::string_view token);

  [[nodiscard]] std::optional<TokenId> find(std::string_view token) const;
  [[nodiscard]] bool contains(TokenId id) const;

  /// "" for an id without entry. Valid as long as the table.
  [[nodiscard]] std::string_view text(TokenId id) const;

  [[nodiscard]] size_t id_end() const { return spans_.size(); }  // highest id + 1
  [[nodiscard]] size_t count() const { return count_; }
  [[nodiscard]] size_t bytes_max() const { return bytes_max_; }  // of the longest indexed token

 private:
  struct Span {
    uint32_t offset = kAbsent;
    uint32_t size = 0;
  };
  struct Slot {
    uint32_t tag = 0;  // upper bits of the hash, so that most misses never touch the token's bytes
    TokenId id = kEmpty;
  };
  static constexpr uint32_t kAbsent = 0xFFFFFFFF;
  static constexpr TokenId kEmpty = -1;

  [[nodiscard]] size_t find_slot(std::string_view token, uint64_t hash) const;
  void grow(size_t slot_count);

  std::string bytes_;
  std::vector<Span> spans_;
  std::vector<Slot> slots_;
  size_t count_ = 0;
  size_t indexed_ = 0;
  size_t bytes_max_ = 0;
};

}  // namespace kedge::text
