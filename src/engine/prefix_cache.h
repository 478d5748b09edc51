#pragma once
// Which pages of the KV cache hold the beginning of some prompt: found by name, kept when nobody holds them, given up
// in the order of their last use.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/block_hash.h"

namespace kedge::engine {

/// Pages of one group of layers. Knows ids, not contents. Not thread-safe.
class PrefixCache {
 public:
  explicit PrefixCache(int64_t page_count) : pages_(static_cast<size_t>(page_count)) {}

  /// Names a page that somebody holds. False, and nothing changes, when another page has the name.
  bool publish(const BlockHash& hash, int32_t page);
  /// The page of that name, or -1.
  [[nodiscard]] int32_t find(const BlockHash& hash) const;
  [[nodiscard]] bool named(int32_t page) const { return at(page).named; }

  /// The last holder of a named page let go: it becomes the last to be given up.
  void release(int32_t page);
  /// Somebody holds the page again.
  void hold(int32_t page);
  /// Takes the name from the page that was let go longest ago and returns it; -1 when there is none. `hash`: its name,
  /// where that is wanted.
  int32_t give_up(BlockHash* hash = nullptr);
  /// Takes the name from a page that nobody holds.
  void forget(int32_t page);
  /// One page more: its number.
  int32_t add_page();
  [[nodiscard]] int64_t page_count() const { return static_cast<int64_t>(pages_.size()); }
  [[nodiscard]] int64_t released_count() const { return released_count_; }

  /// Takes the names from all pages that somebody holds: what is in them is no longer what it was.
  void forget_held();

 private:
  struct Page {
    BlockHash hash;
    bool named = false;
    bool released = false;
    int32_t before = -1, after = -1;  // among released ones
  };

  [[nodiscard]] Page& at(int32_t page) { return pages_[static_cast<size_t>(page)]; }
  [[nodiscard]] const Page& at(int32_t page) const { return pages_[static_cast<size_t>(page)]; }

  std::vector<Page> pages_;
  std::unordered_map<BlockHash, int32_t, BlockHashHasher> by_hash_;
  int32_t oldest_ = -1, newest_ = -1;
  int64_t released_count_ = 0;
};

}  // namespace kedge::engine
