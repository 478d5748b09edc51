#include "engine/prefix_cache.h"

#include <algorithm>

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

void PrefixCache::append(int32_t page) {
  Page& self = at(page);
  Released& list = list_of(self);
  self.before = list.newest;
  self.after = -1;
  (list.newest < 0 ? list.oldest : at(list.newest).after) = page;
  list.newest = page;
}

void PrefixCache::take_out(int32_t page) {
  Page& self = at(page);
  Released& list = list_of(self);
  (self.before < 0 ? list.oldest : at(self.before).after) = self.after;
  (self.after < 0 ? list.newest : at(self.after).before) = self.before;
}

void PrefixCache::release(int32_t page) {
  Page& self = at(page);
  KEDGE_CHECK(self.named && !self.released);
  self.released = true;
  append(page);
  ++released_count_;
}

void PrefixCache::hold(int32_t page) {
  KEDGE_CHECK(at(page).released);
  take_out(page);
  at(page).released = false;
  --released_count_;
}

int32_t PrefixCache::give_up(BlockHash* hash) {
  const int32_t page = released_.oldest >= 0 ? released_.oldest : pinned_released_.oldest;
  if (page < 0) return -1;
  if (hash != nullptr) *hash = at(page).hash;
  forget(page);
  return page;
}

void PrefixCache::forget(int32_t page) {
  unpin(page);
  hold(page);
  by_hash_.erase(at(page).hash);
  at(page).named = false;
}

void PrefixCache::unpin(int32_t page) {
  Page& self = at(page);
  if (self.pin == 0) return;
  if (self.released) take_out(page);
  pins_.erase(self.pin);
  self.pin = 0;
  if (self.released) append(page);
}

void PrefixCache::pin(int32_t page, uint32_t seconds, Time now) {
  Page& self = at(page);
  KEDGE_CHECK(self.named);
  Pin pin{page, seconds, now + std::chrono::seconds(seconds)};
  if (self.pin != 0) {
    const Pin& had = pins_[self.pin];
    pin.seconds = std::max(pin.seconds, had.seconds);
    pin.until = std::max(pin.until, had.until);
  }
  if (self.released) take_out(page);
  if (self.pin != 0) pins_.erase(self.pin);
  self.pin = ++pins_made_;
  pins_[self.pin] = pin;
  if (self.released) append(page);
  while (pinned_count() > std::max<int64_t>(1, page_count() / 2)) unpin(pins_.begin()->second.page);
}

void PrefixCache::refresh(int32_t page, Time now) {
  if (at(page).pin != 0) pin(page, pins_[at(page).pin].seconds, now);
}

void PrefixCache::expire(Time now) {
  std::vector<int32_t> over;
  for (const auto& [key, pin] : pins_) {
    if (pin.until <= now) over.push_back(pin.page);
  }
  for (const int32_t page : over) unpin(page);
}

int32_t PrefixCache::add_page() {
  pages_.emplace_back();
  return static_cast<int32_t>(pages_.size()) - 1;
}

void PrefixCache::forget_held() {
  for (Page& page : pages_) {
    if (!page.named || page.released) continue;
    if (page.pin != 0) unpin(static_cast<int32_t>(&page - pages_.data()));
    by_hash_.erase(page.hash);
    page.named = false;
  }
}

}  // namespace kedge::engine
