#include "engine/prefix_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/checksum.h"

namespace kedge::engine {
namespace {

constexpr int64_t kSlotsMax = int64_t{1} << 24;  // of a group

uint64_t largest(std::span<const uint64_t> sizes) {
  return sizes.empty() ? 0 : *std::ranges::max_element(sizes);
}

}  // namespace

uint64_t PrefixStore::staging_bytes(std::span<const uint64_t> page_bytes, size_t staged_max) {
  return largest(page_bytes) * staged_max;
}

PrefixStore::PrefixStore(std::unique_ptr<PageFile> file, Options options)
    : file_(std::move(file)),
      options_(std::move(options)),
      buffer_bytes_(largest(options_.page_bytes)),
      write_pause_(options_.retry_first),
      read_pause_(options_.retry_first) {
  uint64_t together = 0;
  for (const uint64_t bytes : options_.page_bytes) together += bytes;
  slots_max_ = std::min(kSlotsMax, static_cast<int64_t>(options_.bytes_max / std::max<uint64_t>(together, 1)));
  uint64_t offset = 0;
  for (const uint64_t bytes : options_.page_bytes) {
    group_offsets_.push_back(offset);
    offset += bytes * static_cast<uint64_t>(slots_max_);
    slots_.emplace_back(0);
    empty_.emplace_back();
    written_.emplace_back();
  }
  staging_.resize(buffer_bytes_ * options_.staged_max);
  for (size_t i = 0; i < options_.staged_max; ++i) free_buffers_.push_back(i);
  thread_ = std::thread([this] { run(); });
}

PrefixStore::~PrefixStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  asked_.notify_all();
  thread_.join();
}

uint64_t PrefixStore::offset_of(size_t group, int32_t slot) const {
  return group_offsets_[group] + static_cast<uint64_t>(slot) * options_.page_bytes[group];
}

// The engine thread's part.

bool PrefixStore::has(size_t group, const BlockHash& hash) const {
  return read_pause_.is_over() && slots_[group].find(hash) >= 0;
}

void PrefixStore::touch(size_t group, const BlockHash& hash) {
  const int32_t slot = slots_[group].find(hash);
  if (slot < 0) return;
  slots_[group].hold(slot);
  slots_[group].release(slot);
}

size_t PrefixStore::staging_room() const {
  const std::lock_guard lock(mutex_);
  return free_buffers_.size();
}

int32_t PrefixStore::take_slot(size_t group) {
  std::vector<int32_t>& empty = empty_[group];
  if (!empty.empty()) {
    const int32_t slot = empty.back();
    empty.pop_back();
    return slot;
  }
  if (slots_[group].page_count() < slots_max_) return slots_[group].add_page();
  const int32_t slot = slots_[group].give_up();
  if (slot < 0) return -1;
  --counters_.pages;
  counters_.bytes -= options_.page_bytes[group];
  return slot;
}

void PrefixStore::put(size_t group, const BlockHash& hash, std::span<const std::byte> page) {
  if (!write_pause_.is_over() || !read_pause_.is_over()) return;
  if (slots_[group].find(hash) >= 0) {
    touch(group, hash);
    return;
  }
  size_t buffer = 0;
  {
    const std::lock_guard lock(mutex_);
    if (free_buffers_.empty()) {
      ++counters_.dropped;
      return;
    }
    buffer = free_buffers_.back();
  }
  const int32_t slot = take_slot(group);
  if (slot < 0) return;
  slots_[group].publish(hash, slot);
  slots_[group].release(slot);
  ++counters_.pages;
  counters_.bytes += options_.page_bytes[group];
  std::memcpy(staging_.data() + buffer * buffer_bytes_, page.data(), page.size());
  {
    const std::lock_guard lock(mutex_);
    std::erase(free_buffers_, buffer);  // others may have come back meanwhile
    jobs_.push_back({.write = {group, slot, buffer}, .fetch = nullptr});
  }
  asked_.notify_one();
}

bool PrefixStore::forget(size_t group, const BlockHash& hash) {
  const int32_t slot = slots_[group].find(hash);
  if (slot >= 0) forget_slot(group, slot);
  return slot >= 0;
}

void PrefixStore::forget_slot(size_t group, int32_t slot) {
  slots_[group].forget(slot);
  empty_[group].push_back(slot);
  --counters_.pages;
  counters_.bytes -= options_.page_bytes[group];
}

void PrefixStore::fetch(const std::shared_ptr<PageFetch>& fetch) {
  for (PageFetch::Page& page : fetch->pages) page.slot = slots_[page.group].find(page.hash);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({.write = {}, .fetch = fetch});
  }
  asked_.notify_one();
}

void PrefixStore::finish(const PageFetch& fetch) {
  for (const PageFetch::Page& page : fetch.pages) {
    // The slot may have gone to another page since.
    if (!page.ok && page.slot >= 0 && slots_[page.group].find(page.hash) == page.slot)
      forget_slot(page.group, page.slot);
  }
}

void PrefixStore::wait(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  done_.wait_for(lock, most, [this] { return done_count_ != seen_count_; });
  seen_count_ = done_count_;
}

void PrefixStore::drain() {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return jobs_.empty() && !busy_; });
}

// The I/O thread's part.

PrefixStore::Written& PrefixStore::written(size_t group, int32_t slot) {
  std::vector<Written>& all = written_[group];
  if (static_cast<size_t>(slot) >= all.size()) all.resize(static_cast<size_t>(slot) + 1);
  return all[static_cast<size_t>(slot)];
}

void PrefixStore::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    asked_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    if (job.fetch == nullptr) {
      write(job.write);
    } else {
      for (PageFetch::Page& page : job.fetch->pages) read(page);
      job.fetch->done.store(true, std::memory_order_release);
    }
    lock.lock();
    busy_ = false;
    if (job.fetch == nullptr) {
      free_buffers_.push_back(job.write.buffer);
    } else {
      ++done_count_;
    }
    done_.notify_all();
  }
}

void PrefixStore::write(const Write& job) {
  Written& known = written(job.group, job.slot);
  known.whole = false;
  if (!write_pause_.is_over()) return;
  const std::span<const std::byte> bytes(staging_.data() + job.buffer * buffer_bytes_, options_.page_bytes[job.group]);
  const Status status = file_->write(offset_of(job.group, job.slot), bytes);
  if (status.ok()) {
    known = {checksum(bytes), true};
    ++counters_.written;
    if (write_pause_.succeed()) warn("pages are written again");
    return;
  }
  ++counters_.errors;
  warn(fmt::format("{}; no page is written for {} s, those that are stay in use", status.error().message,
                   std::chrono::duration<double>(write_pause_.fail()).count()));
}

void PrefixStore::read(PageFetch::Page& page) {
  if (page.slot < 0 || !read_pause_.is_over()) return;
  const Written& known = written(page.group, page.slot);
  if (!known.whole) return;  // it could not be written
  const Status status = file_->read(offset_of(page.group, page.slot), page.bytes);
  page.ok = status.ok() && checksum(page.bytes) == known.checksum;
  if (page.ok) {
    if (read_pause_.succeed()) warn("pages are read again");
    return;
  }
  ++counters_.errors;
  const std::string what = status.ok() ? "a page is not what was written" : status.error().message;
  warn(fmt::format("{}; pages on disk are not used for {} s", what,
                   std::chrono::duration<double>(read_pause_.fail()).count()));
}

void PrefixStore::warn(const std::string& what) {
  if (options_.on_warning) options_.on_warning("the prefix cache on disk: " + what);
}

}  // namespace kedge::engine
