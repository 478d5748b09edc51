#include "engine/page_restorer.h"

#include <algorithm>
#include <ranges>

namespace kedge::engine {
namespace {

constexpr uint64_t kPortionBytes = uint64_t{16} << 20;
constexpr std::chrono::milliseconds kWait{2};

}  // namespace

bool PageRestorer::begin(SequenceKey key, std::span<const BlockHash> blocks, SequenceKv& kv) {
  if (store_ == nullptr) return false;
  const PrefixMatch match = pool_.match(blocks, true);
  if (match.tokens <= kv.length()) return false;
  Restore restore{.key = key, .memory_tokens = kv.length()};
  const size_t groups = match.pages.size();
  for (size_t i = 0; i < match.pages.front().size(); ++i) {
    for (size_t group = 0; group < groups; ++group) {
      if (match.pages[group][i] != kPageOnDisk) continue;
      restore.pages.push_back({.group = group, .hash = blocks[i]});
    }
  }
  for (const PageFetch::Page& page : restore.pages | std::views::reverse) store_->touch(page.group, page.hash);
  kv.clear();
  kv.share_from(match);
  ask(restore);
  restores_.push_back(std::move(restore));
  return true;
}

bool PageRestorer::restoring(SequenceKey key) const {
  return std::ranges::any_of(restores_, [key](const Restore& restore) { return restore.wanted && restore.key == key; });
}

void PageRestorer::abandon(SequenceKey key) {
  for (Restore& restore : restores_) {
    if (restore.key == key) restore.wanted = false;
  }
}

/// The next portion, as far as there are pages. Pages that are given up for it go to the disk, where there is room on
/// the way.
void PageRestorer::ask(Restore& restore) {
  auto portion = std::make_shared<PageFetch>();
  uint64_t bytes = 0;
  while (restore.asked < restore.pages.size() && bytes < kPortionBytes && store_->staging_room() > 0) {
    PageFetch::Page page = restore.pages[restore.asked];
    const int32_t taken = pool_.take(page.group);
    if (taken < 0) {
      restore.pages.resize(restore.asked);  // those that are there must do
      break;
    }
    page.bytes = {pool_.address(page.group, taken), pool_.layout().page_bytes(page.group)};
    bytes += page.bytes.size();
    restore.coming.push_back(taken);
    portion->pages.push_back(page);
    ++restore.asked;
  }
  if (portion->pages.empty()) return;
  restore.portion = portion;
  store_->fetch(portion);
}

/// Names what has arrived. False while it has not.
bool PageRestorer::take_in(Restore& restore) {
  if (restore.portion == nullptr) return true;
  if (!restore.portion->done.load(std::memory_order_acquire)) return false;
  for (size_t i = 0; i < restore.coming.size(); ++i) {
    const PageFetch::Page& page = restore.portion->pages[i];
    restore.arrived.emplace_back(page.group, restore.coming[i]);
    if (page.ok) {
      pool_.publish(page.group, page.hash, restore.coming[i]);
    } else {
      restore.pages.resize(restore.asked);  // what comes behind it would be of no use
    }
  }
  store_->finish(*restore.portion);
  restore.portion.reset();
  restore.coming.clear();
  return true;
}

/// Last pages first, as SequenceKv::clear does.
void PageRestorer::release(Restore& restore) {
  for (const auto& [group, page] : restore.arrived | std::views::reverse) pool_.drop(group, page);
}

void PageRestorer::step(const std::function<void(SequenceKey key, int64_t memory_tokens)>& on_end) {
  for (auto restore = restores_.begin(); restore != restores_.end();) {
    const bool arrived = take_in(*restore);
    if (arrived && restore->wanted && restore->asked < restore->pages.size()) ask(*restore);
    const bool over =
        arrived && restore->portion == nullptr && (!restore->wanted || restore->asked == restore->pages.size());
    if (!over) {
      ++restore;
      continue;
    }
    Restore ended = std::move(*restore);
    restore = restores_.erase(restore);
    if (ended.wanted) on_end(ended.key, ended.memory_tokens);
    release(ended);
  }
}

void PageRestorer::wait() {
  store_->wait(kWait);
}

}  // namespace kedge::engine
