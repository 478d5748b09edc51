#include "engine/prefix_cache.h"

#include "core/check.h"

namespace kedge::engine {

bool PrefixCache::publish(const BlockHash& hash, int32_t page) {
  KEDGE_CHECK(!at(page).named && !at(page).released);
  if (!by_hash_.emplace(hash, page).second) return false;
  at(page).hash = hash;
  at(page).named = true;
  return true;
}

int32_t PrefixCache::find(const BlockHash& hash) const {
  const auto found = by_hash_.find(hash);
  return found == by_hash_.end() ? -1 : found->second;
}

void PrefixCache::release(int32_t page) {
  Page& self = at(page);
  KEDGE_CHECK(self.named && !self.released);
  self.released = true;
  self.before = newest_;
  self.after = -1;
  (newest_ < 0 ? oldest_ : at(newest_).after) = page;
  newest_ = page;
  ++released_count_;
}

void PrefixCache::hold(int32_t page) {
  Page& self = at(page);
  KEDGE_CHECK(self.released);
  self.released = false;
  (self.before < 0 ? oldest_ : at(self.before).after) = self.after;
  (self.after < 0 ? newest_ : at(self.after).before) = self.before;
  --released_count_;
}

int32_t PrefixCache::give_up(BlockHash* hash) {
  const int32_t page = oldest_;
  if (page < 0) return -1;
  if (hash != nullptr) *hash = at(page).hash;
  forget(page);
  return page;
}

void PrefixCache::forget(int32_t page) {
  hold(page);
  by_hash_.erase(at(page).hash);
  at(page).named = false;
}

int32_t PrefixCache::add_page() {
  pages_.emplace_back();
  return static_cast<int32_t>(pages_.size()) - 1;
}

void PrefixCache::forget_held() {
  for (Page& page : pages_) {
    if (!page.named || page.released) continue;
    by_hash_.erase(page.hash);
    page.named = false;
  }
}

}  // namespace kedge::engine
