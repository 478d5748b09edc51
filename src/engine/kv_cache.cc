#include "engine/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/topology.h"

namespace kedge::engine {
namespace {

int64_t pages_of(int64_t tokens) {
  return (tokens + kPageTokens - 1) / kPageTokens;
}

std::vector<LayerGroup> group_layers(const models::DecoderSpec& spec) {
  std::vector<LayerGroup> groups;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const int64_t window = spec.layers[i].window;
    auto it = std::ranges::find(groups, window, &LayerGroup::window);
    if (it == groups.end()) it = groups.insert(groups.end(), LayerGroup{window, {}});
    it->layers.push_back(static_cast<int64_t>(i));
  }
  return groups;
}

}  // namespace

KvLayout KvLayout::plan(const models::DecoderSpec& spec, cpu::KvType type, int64_t tokens, int64_t sequences,
                        int64_t chunk) {
  KvLayout layout{type, spec.kv_heads, spec.head_size, group_layers(spec), {}};
  for (const LayerGroup& group : layout.groups) {
    // Every sequence may end inside a page; a shared last page is copied.
    int64_t pages = pages_of(tokens) + 2 * sequences;
    if (group.window > 0) pages = std::min(pages, sequences * (pages_of(group.window + chunk) + 2));
    layout.pages.push_back(pages);
  }
  return layout;
}

uint64_t KvLayout::page_bytes(size_t group) const {
  const auto head_bytes = static_cast<uint64_t>(cpu::kv_head_shape(type, kPageTokens, head_size).bytes);
  return 2 * static_cast<uint64_t>(kv_heads) * head_bytes * groups[group].layers.size();
}

uint64_t KvLayout::bytes() const {
  constexpr uint64_t kBytesMax = uint64_t{1} << 60;  // more than there is: sums of plans stay in range
  uint64_t total = 0;
  for (size_t group = 0; group < groups.size(); ++group) {
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(static_cast<uint64_t>(pages[group]), page_bytes(group), &bytes)) return kBytesMax;
    total = std::min(kBytesMax, total + std::min(kBytesMax, bytes));
  }
  return total;
}

Result<std::unique_ptr<KvPool>> KvPool::create(KvLayout layout) {
  std::unique_ptr<KvPool> pool(new KvPool(std::move(layout)));
  const KvLayout& sizes = pool->layout_;
  for (size_t group = 0; group < sizes.groups.size(); ++group) {
    const auto pages = static_cast<size_t>(sizes.pages[group]);
    PageBuffer buffer(pages * sizes.page_bytes(group));
    if (buffer.data() == nullptr) {
      return Error{ErrorKind::out_of_memory,
                   fmt::format("the KV cache needs {} bytes and the system refused them", sizes.bytes())};
    }
    place_in_turn({buffer.data(), buffer.size()});  // any worker may read any page
    pool->buffers_.push_back(std::move(buffer));
    std::vector<int32_t> free_pages(pages);
    for (size_t i = 0; i < pages; ++i) free_pages[i] = static_cast<int32_t>(pages - 1 - i);
    pool->free_.push_back(std::move(free_pages));
    pool->references_.emplace_back(pages, 0);
    pool->prefixes_.emplace_back(sizes.pages[group]);
  }
  return pool;
}

int32_t KvPool::take(size_t group) {
  int32_t page = -1;
  if (free_[group].empty()) {
    BlockHash hash;
    page = prefixes_[group].give_up(&hash);
    if (page < 0) return -1;
    if (store_ != nullptr) store_->put(group, hash, {address(group, page), layout_.page_bytes(group)});
  } else {
    page = free_[group].back();
    free_[group].pop_back();
  }
  references_[group][static_cast<size_t>(page)] = 1;
  return page;
}

void KvPool::share(size_t group, int32_t page) {
  if (references_[group][static_cast<size_t>(page)]++ == 0) prefixes_[group].hold(page);
}

void KvPool::drop(size_t group, int32_t page) {
  if (--references_[group][static_cast<size_t>(page)] > 0) return;
  if (prefixes_[group].named(page)) {
    prefixes_[group].release(page);
  } else {
    free_[group].push_back(page);
  }
}

int32_t KvPool::find(size_t group, const BlockHash& hash, bool with_disk) const {
  const int32_t page = prefixes_[group].find(hash);
  return page < 0 && with_disk && store_ != nullptr && store_->has(group, hash) ? kPageOnDisk : page;
}

PrefixMatch KvPool::match(std::span<const BlockHash> hashes, bool with_disk) const {
  size_t blocks = hashes.size();
  std::vector<std::vector<int32_t>> found(layout_.groups.size());
  for (size_t group = 0; group < found.size(); ++group) {
    if (layout_.groups[group].window > 0) continue;
    size_t count = 0;
    for (; count < blocks; ++count) {
      found[group].push_back(find(group, hashes[count], with_disk));
      if (found[group].back() == -1) break;
    }
    blocks = count;
  }
  for (size_t group = 0; group < found.size(); ++group) {
    if (layout_.groups[group].window == 0) continue;
    for (size_t i = 0; i < blocks; ++i) found[group].push_back(find(group, hashes[i], with_disk));
  }
  // A window needs no more than the pages that the next token sees: where one of them is missing, end before it.
  const auto first_seen = [](int64_t window, size_t end) {
    return static_cast<size_t>(std::max<int64_t>(0, static_cast<int64_t>(end) * kPageTokens - window + 1) /
                               kPageTokens);
  };
  for (bool whole = false; !whole;) {
    whole = true;
    for (size_t group = 0; group < found.size(); ++group) {
      const int64_t window = layout_.groups[group].window;
      for (size_t i = blocks; window > 0 && i > first_seen(window, blocks); --i) {
        if (found[group][i - 1] != -1) continue;
        blocks = i - 1;
        whole = false;
      }
    }
  }
  for (size_t group = 0; group < found.size(); ++group) {
    const int64_t window = layout_.groups[group].window;
    found[group].resize(blocks);
    if (window > 0) std::fill_n(found[group].begin(), std::min(blocks, first_seen(window, blocks)), -1);
  }
  return {static_cast<int64_t>(blocks) * kPageTokens, std::move(found)};
}

void KvPool::publish(size_t group, const BlockHash& hash, int32_t page) {
  if (!prefixes_[group].named(page)) prefixes_[group].publish(hash, page);
}

int64_t KvPool::pin(std::span<const BlockHash> hashes, uint32_t seconds) {
  auto staying = static_cast<int64_t>(hashes.size());
  for (size_t group = 0; group < prefixes_.size(); ++group) {
    PrefixCache& cache = prefixes_[group];
    // The beginning last: where there is no room for all, it stays.
    for (size_t i = hashes.size(); i-- > 0;) {
      const int32_t page = cache.find(hashes[i]);
      if (page >= 0) cache.pin(page, seconds, now_);
    }
    if (layout_.groups[group].window > 0) continue;  // of which few are there
    const auto pinned = [&](const BlockHash& hash) {
      const int32_t page = cache.find(hash);
      return page >= 0 && cache.pinned(page);
    };
    staying = std::min(staying, static_cast<int64_t>(std::ranges::find_if_not(hashes, pinned) - hashes.begin()));
  }
  return staying;
}

void KvPool::refresh(const PrefixMatch& match) {
  for (size_t group = 0; group < match.pages.size(); ++group) {
    for (size_t i = match.pages[group].size(); i-- > 0;) {
      if (match.pages[group][i] >= 0) prefixes_[group].refresh(match.pages[group][i], now_);
    }
  }
}

void KvPool::set_time(PrefixCache::Time now) {
  now_ = now;
  if (now - expired_ < std::chrono::seconds(1)) return;
  expired_ = now;
  for (PrefixCache& cache : prefixes_) cache.expire(now);
}

int64_t KvPool::pinned_pages() const {
  int64_t count = 0;
  for (const PrefixCache& cache : prefixes_) count += cache.pinned_count();
  return count;
}

int64_t KvPool::forget(std::span<const BlockHash> hashes) {
  int64_t count = 0;
  for (size_t group = 0; group < prefixes_.size(); ++group) {
    for (const BlockHash& hash : hashes) {
      const int32_t page = prefixes_[group].find(hash);
      const bool free = page >= 0 && references_[group][static_cast<size_t>(page)] == 0;
      const bool on_disk = store_ != nullptr && store_->forget(group, hash);
      if (group == 0 && (free || on_disk)) ++count;
      if (!free) continue;
      prefixes_[group].forget(page);
      free_[group].push_back(page);
    }
  }
  return count;
}

void KvPool::forget_prefixes() {
  for (size_t group = 0; group < prefixes_.size(); ++group) {
    PrefixCache& cache = prefixes_[group];
    for (int32_t page = cache.give_up(); page >= 0; page = cache.give_up()) free_[group].push_back(page);
    cache.forget_held();
  }
}

SequenceKv::SequenceKv(KvPool& pool) : pool_(pool), tables_(pool.layout().groups.size()) {
  size_t layer_count = 0;
  for (const LayerGroup& group : pool.layout().groups) layer_count += group.layers.size();
  places_.resize(layer_count);
  for (size_t group = 0; group < tables_.size(); ++group) {
    const std::vector<int64_t>& layers = pool.layout().groups[group].layers;
    for (size_t i = 0; i < layers.size(); ++i) places_[static_cast<size_t>(layers[i])] = {group, i};
  }
}

bool SequenceKv::make_writable(size_t group, size_t page_index) {
  std::vector<int32_t>& table = tables_[group];
  if (page_index >= table.size()) table.resize(page_index + 1, -1);
  const int32_t old = table[page_index];
  if (old >= 0 && !pool_.shared(group, old)) return true;
  const int32_t page = pool_.take(group);
  if (page < 0) return false;
  if (old >= 0) {
    std::memcpy(pool_.address(group, page), pool_.address(group, old), pool_.layout().page_bytes(group));
    pool_.drop(group, old);
  }
  table[page_index] = page;
  return true;
}

bool SequenceKv::reserve(int64_t count) {
  for (size_t group = 0; group < tables_.size(); ++group) {
    for (int64_t page = length_ / kPageTokens; page <= (length_ + count - 1) / kPageTokens; ++page) {
      if (!make_writable(group, static_cast<size_t>(page))) return false;
    }
  }
  return true;
}

void SequenceKv::advance(int64_t count) {
  length_ += count;
  for (size_t group = 0; group < tables_.size(); ++group) {
    const int64_t window = pool_.layout().groups[group].window;
    if (window == 0) continue;
    // The next query, at position length_, sees positions > length_ - window.
    const int64_t first_visible = std::max<int64_t>(0, length_ - window + 1);
    for (int64_t page = first_visible / kPageTokens - 1; page >= 0; --page) {
      int32_t& id = tables_[group][static_cast<size_t>(page)];
      if (id < 0) break;
      pool_.drop(group, id);
      id = -1;
    }
  }
}

void SequenceKv::share_from(const SequenceKv& other) {
  tables_ = other.tables_;
  length_ = other.length_;
  published_ = other.published_;
  for (size_t group = 0; group < tables_.size(); ++group) {
    for (const int32_t page : tables_[group]) {
      if (page >= 0) pool_.share(group, page);
    }
  }
}

void SequenceKv::share_from(const PrefixMatch& match) {
  tables_ = match.pages;
  length_ = match.tokens;
  published_ = match.tokens / kPageTokens;
  for (size_t group = 0; group < tables_.size(); ++group) {
    for (const int32_t page : tables_[group]) {
      if (page >= 0) pool_.share(group, page);
    }
  }
}

void SequenceKv::publish(std::span<const BlockHash> hashes, int64_t tokens) {
  const int64_t full = std::min(static_cast<int64_t>(hashes.size()), tokens / kPageTokens);
  for (; published_ < full; ++published_) {
    const auto index = static_cast<size_t>(published_);
    for (size_t group = 0; group < tables_.size(); ++group) {
      const int32_t page = tables_[group][index];
      if (page >= 0) pool_.publish(group, hashes[index], page);
    }
  }
}

/// Last pages first: of a prefix that is given up page by page, the beginning lives longest.
void SequenceKv::clear() {
  for (size_t group = 0; group < tables_.size(); ++group) {
    std::vector<int32_t>& table = tables_[group];
    for (; !table.empty(); table.pop_back()) {
      if (table.back() >= 0) pool_.drop(group, table.back());
    }
  }
  length_ = 0;
  published_ = 0;
}

cpu::KvView SequenceKv::layer(int64_t layer_index) {
  const Place& place = places_[static_cast<size_t>(layer_index)];
  const KvLayout& layout = pool_.layout();
  const uint64_t layer_bytes = layout.page_bytes(place.group) / layout.groups[place.group].layers.size();
  const std::vector<int32_t>& table = tables_[place.group];
  keys_.resize(table.size());
  values_.resize(table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    std::byte* page = table[i] < 0 ? nullptr : pool_.address(place.group, table[i]) + place.index * layer_bytes;
    keys_[i] = page;
    values_[i] = page == nullptr ? nullptr : page + layer_bytes / 2;
  }
  return {layout.type, kPageTokens, layout.kv_heads, layout.head_size, keys_, values_};
}

int64_t SequenceKv::pages_to_grow(size_t group, int64_t count, int64_t chunk) const {
  const int64_t window = pool_.layout().groups[group].window;
  const int64_t grown = pages_of(length_ + count) - length_ / kPageTokens;
  return window == 0 ? grown : std::min(grown, pages_of(window + chunk) + 2);
}

int64_t SequenceKv::pages_for(const KvLayout& layout, size_t group, int64_t length, int64_t count) {
  const int64_t grown = pages_of(length + count) - length / kPageTokens;
  const int64_t window = layout.groups[group].window;
  return window == 0 ? grown : std::min(grown, pages_of(window) + 2);
}

}  // namespace kedge::engine
