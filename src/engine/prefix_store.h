#pragma once
// Pages of prompts that the KV cache gave up, kept in a file and read again when a prompt begins with them: a second,
// larger and slower prefix cache. docs/decisions/0050-pages-on-disk.md

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/page_file.h"
#include "engine/prefix_cache.h"
#include "engine/retry_pause.h"

namespace kedge::engine {

/// Pages that are read back. Until done() they are the store's to write to; then PrefixStore::finish takes it.
struct PageFetch {
  struct Page {
    size_t group = 0;
    BlockHash hash;
    std::span<std::byte> bytes;
    bool ok = false;    // it holds what was put
    int32_t slot = -1;  // the store's
  };
  std::vector<Page> pages;
  std::atomic<bool> done = false;
};

/// Used on the engine thread, which waits for no disk; a thread of its own writes and reads, in the order in which it
/// was asked. Whatever goes wrong there costs time alone: a page that is not kept is computed again.
class PrefixStore {
 public:
  struct Options {
    std::vector<uint64_t> page_bytes;                    // of each group
    uint64_t bytes_max = 0;                              // of the file
    size_t staged_max = 16;                              // pages on their way to the disk; more are not kept
    std::chrono::milliseconds retry_first{30'000};       // after a failure; each further one doubles it
    std::function<void(const std::string&)> on_warning;  // called on its thread; may be empty
  };
  /// Written on both threads, read anywhere.
  struct Counters {
    std::atomic<uint64_t> pages = 0, bytes = 0;  // that are kept now
    std::atomic<uint64_t> written = 0;           // pages
    std::atomic<uint64_t> dropped = 0;           // pages that came faster than the disk takes them
    std::atomic<uint64_t> errors = 0;            // writes and reads that failed, and pages that had changed
  };

  PrefixStore(std::unique_ptr<PageFile> file, Options options);
  ~PrefixStore();
  PrefixStore(const PrefixStore&) = delete;
  PrefixStore& operator=(const PrefixStore&) = delete;

  /// Copies a page that is about to be lost. Nothing happens when it is there already or `staging_room()` is 0.
  void put(size_t group, const BlockHash& hash, std::span<const std::byte> page);
  [[nodiscard]] bool has(size_t group, const BlockHash& hash) const;
  /// It becomes the last of its group to be given up.
  void touch(size_t group, const BlockHash& hash);
  /// It is not found any more. False when it was not there.
  bool forget(size_t group, const BlockHash& hash);
  /// Pages that put would take now.
  [[nodiscard]] size_t staging_room() const;

  /// Begins to read. Pages that are not there are not ok.
  void fetch(const std::shared_ptr<PageFetch>& fetch);
  /// Forgets the pages of a fetch that could not be read. REQUIRES: done.
  void finish(const PageFetch& fetch);
  /// Waits for some fetch to be done, no longer than this.
  void wait(std::chrono::milliseconds most);
  /// Waits until everything so far is on disk. For tests.
  void drain();

  [[nodiscard]] const Counters& counters() const { return counters_; }
  /// Memory of pages on their way.
  static uint64_t staging_bytes(std::span<const uint64_t> page_bytes, size_t staged_max);

 private:
  struct Write {
    size_t group = 0;
    int32_t slot = -1;
    size_t buffer = 0;
  };
  struct Job {
    Write write;
    std::shared_ptr<PageFetch> fetch;  // null: it is the write
  };
  /// What is known of a slot's bytes. The I/O thread's.
  struct Written {
    uint64_t checksum = 0;
    bool whole = false;
  };

  [[nodiscard]] int32_t take_slot(size_t group);
  void forget_slot(size_t group, int32_t slot);
  [[nodiscard]] uint64_t offset_of(size_t group, int32_t slot) const;
  void run();
  void write(const Write& job);
  void read(PageFetch::Page& page);
  void warn(const std::string& what);
  [[nodiscard]] Written& written(size_t group, int32_t slot);

  const std::unique_ptr<PageFile> file_;
  const Options options_;
  int64_t slots_max_ = 0;                // of each group: as many tokens of one as of another
  std::vector<uint64_t> group_offsets_;  // in the file
  std::vector<std::byte> staging_;
  uint64_t buffer_bytes_ = 0;
  std::vector<PrefixCache> slots_;           // of each group; none of them is ever held
  std::vector<std::vector<int32_t>> empty_;  // slots of each group that were forgotten
  std::vector<std::vector<Written>> written_;
  RetryPause write_pause_, read_pause_;  // neither is tried meanwhile
  Counters counters_;

  mutable std::mutex mutex_;
  std::condition_variable asked_, done_;
  std::deque<Job> jobs_;
  std::vector<size_t> free_buffers_;
  uint64_t done_count_ = 0, seen_count_ = 0;  // fetches
  bool busy_ = false, stopping_ = false;
  std::thread thread_;  // last
};

}  // namespace kedge::engine
