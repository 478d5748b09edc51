#pragma once
// Strings by id and ids by string: the storage behind a vocabulary.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/tokenizer.h"
#include "text/tokenizer/hashing.h"
#include "text/tokenizer/huge_page_allocator.h"

namespace kedge::text {

/// Ids may have gaps. Of two ids with one string, the string belongs to the one added first.
class TokenTable {
 public:
  void reserve(size_t tokens, size_t bytes);
  void reserve_texts(size_t tokens, size_t bytes);  // for `add_text`

  /// False when `id` has an entry already. REQUIRES: 0 <= id < kTokenCountMax, token.size() <= kTokenBytesMax.
  bool add(TokenId id, std::string_view token);

  /// The same for a token that `find` need not know.
  bool add_text(TokenId id, std::string_view token);

  [[nodiscard]] std::optional<TokenId> find(std::string_view token) const { return find(prepare(token)); }

  /// A search in two steps, so that the memory which many of them need is fetched at the same time.
  struct Search {
    std::string_view token;
    uint64_t hash = 0;
  };
  [[nodiscard]] Search prepare(std::string_view token) const {
    const Search search{token, hash_bytes(token)};
    if (!slots_.empty()) __builtin_prefetch(&slots_[search.hash & (slots_.size() - 1)]);
    return search;
  }
  [[nodiscard]] std::optional<TokenId> find(const Search& search) const;

  [[nodiscard]] bool contains(TokenId id) const {
    return static_cast<size_t>(id) < spans_.size() && spans_[static_cast<size_t>(id)].offset != kAbsent;
  }

  /// "" for an id without entry. Valid as long as the table.
  [[nodiscard]] std::string_view text(TokenId id) const {
    if (!contains(id)) return {};
    const Span& span = spans_[static_cast<size_t>(id)];
    return {bytes_.data() + span.offset, span.size};
  }

  /// Whether `find` knows every id: no two have one string.
  [[nodiscard]] bool finds_all() const { return indexed_ == count_; }

  [[nodiscard]] size_t id_end() const { return spans_.size(); }  // highest id + 1
  [[nodiscard]] size_t count() const { return count_; }
  [[nodiscard]] size_t bytes_max() const { return bytes_max_; }  // of the longest indexed token

 private:
  struct Span {
    uint32_t offset = kAbsent;
    uint32_t size = 0;
  };
  // Short tokens are compared within their slot; longer ones look at their bytes only where all of it agrees.
  struct Slot {
    uint32_t tag = 0;  // some bits of the hash, and the size up to 255
    TokenId id = kEmpty;
    uint64_t head = 0;  // the first 8 bytes, or all there are
    uint64_t tail = 0;  // the last 8 bytes of a token that has more than 8
  };
  static constexpr size_t kSlotBytesMax = 16;  // a token up to this size is all in its slot
  static constexpr uint32_t kAbsent = 0xFFFFFFFF;
  static constexpr TokenId kEmpty = -1;

  static Slot make_slot(const Search& search, TokenId id);
  [[nodiscard]] size_t find_slot(const Search& search) const;
  void grow(size_t slot_count);

  std::string bytes_;
  std::vector<Span> spans_;
  std::vector<Slot, HugePageAllocator<Slot>> slots_;
  size_t count_ = 0;
  size_t indexed_ = 0;
  size_t bytes_max_ = 0;
};

}  // namespace kedge::text
