#pragma once
// The paged KV cache (Kwon et al. 2023): one pool of fixed pages per group of layers that share a window, and the page
// tables of sequences. Pages are shared between sequences by reference count and copied when one of them writes. Full
// pages of prompts have names, by which later prompts that begin alike find them (prefix_cache.h).

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/aligned.h"
#include "engine/prefix_cache.h"
#include "engine/prefix_store.h"
#include "kedge/result.h"
#include "models/decoder.h"
#include "models/spec.h"

namespace kedge::engine {

inline constexpr int64_t kPageTokens = 32;

/// The layers with one window. A page holds kPageTokens keys and values of all of them.
struct LayerGroup {
  int64_t window = 0;
  std::vector<int64_t> layers;
};

/// Sizes, before anything is allocated.
struct KvLayout {
  cpu::KvType type = cpu::KvType::f32;
  int64_t kv_heads = 0, head_size = 0;
  std::vector<LayerGroup> groups;
  std::vector<int64_t> pages;  // of each group

  /// Room for `tokens` positions in all and `sequences` at a time, fed at most `chunk` tokens at once.
  static KvLayout plan(const models::DecoderSpec& spec, cpu::KvType type, int64_t tokens, int64_t sequences,
                       int64_t chunk);

  [[nodiscard]] uint64_t page_bytes(size_t group) const;
  [[nodiscard]] uint64_t bytes() const;
};

inline constexpr int32_t kPageOnDisk = -2;

/// The pages that hold the first `tokens` tokens of a prompt.
struct PrefixMatch {
  int64_t tokens = 0;                       // a multiple of kPageTokens
  std::vector<std::vector<int32_t>> pages;  // of each group, by page index; -1: no later query sees it; kPageOnDisk
};

/// All pages. Not thread-safe: the engine thread's alone.
class KvPool {
 public:
  /// Fails with out_of_memory.
  static Result<std::unique_ptr<KvPool>> create(KvLayout layout);

  [[nodiscard]] const KvLayout& layout() const { return layout_; }
  /// Pages that nobody holds, those that the prefix cache keeps included.
  [[nodiscard]] int64_t free_pages(size_t group) const {
    return static_cast<int64_t>(free_[group].size()) + prefixes_[group].released_count();
  }

  /// Pages that the prefix cache gives up go there from now on; null: nowhere. It must live as long.
  void attach(PrefixStore* store) { store_ = store; }

  /// A page with one reference: a free one, else the one that the prefix cache gives up. -1 when all are held.
  int32_t take(size_t group);
  /// One more reference.
  void share(size_t group, int32_t page);
  void drop(size_t group, int32_t page);

  /// The longest beginning of a prompt with these block hashes that is there in every group. `with_disk`: or in the
  /// store.
  [[nodiscard]] PrefixMatch match(std::span<const BlockHash> hashes, bool with_disk = false) const;
  /// Names a full page that the caller holds. Nothing happens when it has a name, or another page has this one.
  void publish(size_t group, const BlockHash& hash, int32_t page);
  /// Pins the full pages of a prompt that are there: PrefixCache::pin. How many blocks of its beginning stay.
  int64_t pin(std::span<const BlockHash> hashes, uint32_t seconds);
  /// Those of a prompt that begins with them are used: pins begin anew.
  void refresh(const PrefixMatch& match);
  /// Time goes on; pins end.
  void set_time(PrefixCache::Time now);
  [[nodiscard]] int64_t pinned_pages() const;
  /// Names of pages that nobody holds are forgotten, on disk too: how many of the blocks had one in the first group.
  int64_t forget(std::span<const BlockHash> hashes);
  /// The pages' contents are about to be lost.
  void forget_prefixes();

  [[nodiscard]] bool shared(size_t group, int32_t page) const {
    return references_[group][static_cast<size_t>(page)] > 1;
  }
  [[nodiscard]] std::byte* address(size_t group, int32_t page) const {
    return buffers_[group].data() + static_cast<uint64_t>(page) * layout_.page_bytes(group);
  }

 private:
  explicit KvPool(KvLayout layout) : layout_(std::move(layout)) {}

  [[nodiscard]] int32_t find(size_t group, const BlockHash& hash, bool with_disk) const;

  KvLayout layout_;
  PrefixStore* store_ = nullptr;
  PrefixCache::Time now_, expired_;
  std::vector<PageBuffer> buffers_;
  std::vector<std::vector<int32_t>> free_;
  std::vector<std::vector<int32_t>> references_;
  std::vector<PrefixCache> prefixes_;  // of each group
};

/// The pages of one sequence.
class SequenceKv final : public models::SequenceCache {
 public:
  explicit SequenceKv(KvPool& pool);
  SequenceKv(const SequenceKv&) = delete;
  SequenceKv& operator=(const SequenceKv&) = delete;
  ~SequenceKv() override { clear(); }

  /// Makes positions [length(), length() + count) writable. False when pages ran out (nothing is lost).
  bool reserve(int64_t count);

  /// Counts `count` positions as written and gives back the pages that no later query can see.
  void advance(int64_t count);

  /// Shares every page of `other`, whose length it takes. REQUIRES: this one is empty.
  void share_from(const SequenceKv& other);
  /// The same with the pages of a prefix.
  void share_from(const PrefixMatch& match);

  /// Names the full pages below `tokens` positions for prompts to come. REQUIRES: all of them hold what a prompt's
  /// forward passes wrote, of the tokens that were hashed.
  void publish(std::span<const BlockHash> hashes, int64_t tokens);

  void clear();
  [[nodiscard]] int64_t length() const { return length_; }

  cpu::KvView layer(int64_t layer_index) override;

  /// Pages of `group` that all of `count` more positions take, fed at most `chunk` at once.
  [[nodiscard]] int64_t pages_to_grow(size_t group, int64_t count, int64_t chunk) const;

  /// Pages of `group` that `count` more positions may take, copies of shared pages included.
  static int64_t pages_for(const KvLayout& layout, size_t group, int64_t length, int64_t count);

 private:
  struct Place {
    size_t group = 0;
    size_t index = 0;  // within the group's page
  };

  bool make_writable(size_t group, size_t page_index);

  KvPool& pool_;
  int64_t length_ = 0;
  int64_t published_ = 0;                     // full pages that have been offered to the prefix cache
  std::vector<std::vector<int32_t>> tables_;  // of each group: page ids by page index, -1 where freed
  std::vector<Place> places_;                 // of each layer
  std::vector<std::byte*> keys_, values_;     // of the last view
};

}  // namespace kedge::engine
