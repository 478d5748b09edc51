#include "grammar/mask_cache.h"

namespace kedge::grammar {

std::shared_ptr<const StateMask> MaskCache::find(const MaskKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->mask;
}

void MaskCache::add(const MaskKey& key, std::shared_ptr<const StateMask> mask) {
  const std::scoped_lock lock(mutex_);
  if (index_.contains(key)) return;
  bytes_ += mask->size_bytes();
  entries_.push_front({key, std::move(mask)});
  index_[key] = entries_.begin();
  while (bytes_ > bytes_max_ && entries_.size() > 1) {
    bytes_ -= entries_.back().mask->size_bytes();
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

size_t MaskCache::size_bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

}  // namespace kedge::grammar
