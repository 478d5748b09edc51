#pragma once
// Prompts whose pages come back from the disk: what is on its way, and for whom.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/fair_queue.h"
#include "engine/kv_cache.h"
#include "engine/prefix_store.h"

namespace kedge::engine {

/// The engine thread's. Pages come in portions, so that steps between them are not held up and those that make room for
/// them find room on their way to the disk.
class PageRestorer {
 public:
  /// `store`: null: there is none, and nothing ever comes.
  PageRestorer(KvPool& pool, PrefixStore* store) : pool_(pool), store_(store) {}

  /// Begins to bring back what the store has of a prompt's first blocks, where that makes a longer beginning than `kv`,
  /// which holds what memory has. False when it does not. Until the end `kv` holds pages and is not to be used.
  bool begin(SequenceKey key, std::span<const BlockHash> blocks, SequenceKv& kv);
  [[nodiscard]] bool restoring(SequenceKey key) const;
  /// The sequence does not wait any more.
  void abandon(SequenceKey key);

  /// Goes on with what has arrived. `on_end`: whatever was to be had is in the pool; `memory_tokens` were there before.
  void step(const std::function<void(SequenceKey key, int64_t memory_tokens)>& on_end);
  /// Waits for more to arrive, for a little while.
  void wait();
  /// Whether no page is on its way.
  [[nodiscard]] bool empty() const { return restores_.empty(); }

 private:
  struct Restore {
    SequenceKey key = 0;
    bool wanted = true;
    int64_t memory_tokens = 0;
    std::vector<PageFetch::Page> pages;               // in the order in which they come; bytes are not set
    size_t asked = 0;                                 // of them
    std::vector<std::pair<size_t, int32_t>> arrived;  // group and page, held until the end
    std::vector<int32_t> coming;                      // of the portion
    std::shared_ptr<PageFetch> portion;               // null: none is on its way
  };

  void ask(Restore& restore);
  bool take_in(Restore& restore);
  void release(Restore& restore);

  KvPool& pool_;
  PrefixStore* store_;
  std::vector<Restore> restores_;
};

}  // namespace kedge::engine
