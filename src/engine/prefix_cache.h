#pragma once
// Which pages of the KV cache hold the beginning of some prompt: found by name, kept when nobody holds them, given up
// in the order of their last use; those that are pinned behind all others, until their time is over.

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/block_hash.h"

namespace kedge::engine {

/// Pages of one group of layers. Knows ids, not contents. Not thread-safe.
class PrefixCache {
 public:
  using Time = std::chrono::steady_clock::time_point;

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
  /// Takes the name from the page that was let go longest ago and returns it, a pinned one when there are no others; -1
  /// when there is none. `hash`: its name, where that is wanted.
  int32_t give_up(BlockHash* hash = nullptr);

  /// Pins a page that has a name for `seconds` from `now`; at most half of all pages are: then the page that was pinned
  /// or used longest ago is so no more. A longer time that it has stays.
  void pin(int32_t page, uint32_t seconds, Time now);
  /// A pinned page was used: its time begins anew.
  void refresh(int32_t page, Time now);
  /// Pages whose time is over are like any others.
  void expire(Time now);
  [[nodiscard]] bool pinned(int32_t page) const { return at(page).pin != 0; }
  [[nodiscard]] int64_t pinned_count() const { return static_cast<int64_t>(pins_.size()); }
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
    int32_t before = -1, after = -1;  // among released ones of its kind
    uint64_t pin = 0;                 // its key in pins_; 0: it is not pinned
  };
  struct Pin {
    int32_t page = -1;
    uint32_t seconds = 0;
    Time until;
  };
  /// Pages that nobody holds, in the order of their last use.
  struct Released {
    int32_t oldest = -1, newest = -1;
  };

  void append(int32_t page);
  void take_out(int32_t page);
  void unpin(int32_t page);
  Released& list_of(const Page& page) { return page.pin == 0 ? released_ : pinned_released_; }

  [[nodiscard]] Page& at(int32_t page) { return pages_[static_cast<size_t>(page)]; }
  [[nodiscard]] const Page& at(int32_t page) const { return pages_[static_cast<size_t>(page)]; }

  std::vector<Page> pages_;
  std::unordered_map<BlockHash, int32_t, BlockHashHasher> by_hash_;
  Released released_, pinned_released_;
  int64_t released_count_ = 0;
  std::map<uint64_t, Pin> pins_;  // the one used longest ago first
  uint64_t pins_made_ = 0;
};

}  // namespace kedge::engine
