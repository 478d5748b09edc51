// Goal: what was put is what comes back, or nothing does; a full disk, a broken one and a file that changes cost pages
// and no more. Method: a file in a temporary folder, and files that fail or forge; a plain model of the store.

#include "engine/prefix_store.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "models/tiny_model_test_support.h"

namespace kedge::engine {
namespace {

using models::TemporaryFolder;

constexpr uint64_t kPageBytes[] = {4096, 1000};

BlockHash hash_of(uint64_t number) {
  return {number * 0x9e3779b97f4a7c15U, number};
}

std::vector<std::byte> page_of(size_t group, uint64_t number) {
  std::vector<std::byte> bytes(kPageBytes[group]);
  std::mt19937_64 random(number * 2 + group);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

/// Memory that fails as it is told.
class FakeFile final : public PageFile {
 public:
  struct State {
    std::mutex mutex;
    std::vector<std::byte> bytes;
    uint64_t bytes_max = ~uint64_t{0};
    bool reads_fail = false;
  };
  explicit FakeFile(std::shared_ptr<State> state) : state_(std::move(state)) {}

  Status write(uint64_t offset, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(state_->mutex);
    if (offset + bytes.size() > state_->bytes_max) return Error{ErrorKind::unavailable, "/disk: cannot write: full"};
    if (state_->bytes.size() < offset + bytes.size()) state_->bytes.resize(offset + bytes.size());
    std::memcpy(state_->bytes.data() + offset, bytes.data(), bytes.size());
    return Done{};
  }
  Status read(uint64_t offset, std::span<std::byte> bytes) override {
    const std::lock_guard lock(state_->mutex);
    if (state_->reads_fail) return Error{ErrorKind::unavailable, "/disk: cannot read: broken"};
    std::memcpy(bytes.data(), state_->bytes.data() + offset, bytes.size());
    return Done{};
  }

 private:
  std::shared_ptr<State> state_;
};

class PrefixStoreTest : public testing::Test {
 protected:
  void open(std::unique_ptr<PageFile> file, uint64_t pages_max, size_t staged_max = 64) {
    store_ = std::make_unique<PrefixStore>(
        std::move(file), PrefixStore::Options{.page_bytes = {kPageBytes[0], kPageBytes[1]},
                                              .bytes_max = pages_max * (kPageBytes[0] + kPageBytes[1]),
                                              .staged_max = staged_max,
                                              .retry_first = retry_first_,
                                              .on_warning = [this](const std::string& what) {
                                                const std::lock_guard lock(mutex_);
                                                warnings_.push_back(what);
                                              }});
  }

  void open_fake(uint64_t pages_max) { open(std::make_unique<FakeFile>(disk_), pages_max); }

  void put(size_t group, uint64_t number) { store_->put(group, hash_of(number), page_of(group, number)); }

  /// Whether the page comes back, whole.
  bool comes_back(size_t group, uint64_t number) {
    std::vector<std::byte> bytes(kPageBytes[group]);
    const auto fetch = std::make_shared<PageFetch>();
    fetch->pages.push_back({.group = group, .hash = hash_of(number), .bytes = bytes});
    store_->fetch(fetch);
    while (!fetch->done) store_->wait(std::chrono::milliseconds(100));
    store_->finish(*fetch);
    if (fetch->pages.front().ok) {
      EXPECT_EQ(bytes, page_of(group, number));
    }
    return fetch->pages.front().ok;
  }

  /// Puts pages until one of them has come back; gives up after ten seconds.
  bool comes_to_itself() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (uint64_t i = 1000; std::chrono::steady_clock::now() < end; ++i) {
      put(0, i);
      store_->drain();
      if (comes_back(0, i)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  std::chrono::milliseconds retry_first_{std::chrono::hours(1)};
  std::shared_ptr<FakeFile::State> disk_ = std::make_shared<FakeFile::State>();
  std::mutex mutex_;
  std::vector<std::string> warnings_;
  std::unique_ptr<PrefixStore> store_;  // last: it warns
};

TEST_F(PrefixStoreTest, pages_come_back_from_a_file_as_they_were) {
  const TemporaryFolder folder;
  auto file = open_page_file(folder.path());
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "the file has a name";
  open(std::move(file).value(), 40);
  for (uint64_t i = 0; i < 40; ++i) {
    put(0, i);
    put(1, i);
    store_->drain();
  }
  EXPECT_EQ(store_->counters().pages, 80U);
  EXPECT_EQ(store_->counters().written, 80U);
  EXPECT_EQ(store_->counters().bytes, 40 * (kPageBytes[0] + kPageBytes[1]));
  for (uint64_t i = 0; i < 40; ++i) {
    EXPECT_TRUE(comes_back(0, i)) << i;
    EXPECT_TRUE(comes_back(1, i)) << i;
  }
  EXPECT_FALSE(comes_back(0, 41));
  EXPECT_EQ(store_->counters().errors, 0U);
}

TEST_F(PrefixStoreTest, a_folder_that_is_not_there_is_named) {
  const auto file = open_page_file("/nowhere/at/all");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().kind, ErrorKind::not_found);
  EXPECT_NE(file.error().message.find("/nowhere/at/all"), std::string::npos);
}

TEST_F(PrefixStoreTest, the_page_used_longest_ago_gives_its_slot) {
  open_fake(3);
  for (uint64_t i = 0; i < 3; ++i) put(0, i);
  store_->touch(0, hash_of(0));
  put(0, 1);  // known: only used again
  put(0, 3);  // in the place of 2
  store_->drain();
  EXPECT_FALSE(store_->has(0, hash_of(2)));
  for (const uint64_t i : {0U, 1U, 3U}) EXPECT_TRUE(comes_back(0, i)) << i;
  EXPECT_EQ(store_->counters().pages, 3U);
  EXPECT_EQ(store_->counters().written, 4U);
}

/// A read that was asked for before its slot went to another page gets its page, since jobs are done in turn.
TEST_F(PrefixStoreTest, random_pages_against_a_plain_model) {
  open_fake(16);
  std::mt19937_64 random(3);
  std::vector<uint64_t> recent;  // the last one is used last
  for (int i = 0; i < 5000; ++i) {
    const uint64_t number = random() % 40;
    const auto known = std::ranges::find(recent, number);
    ASSERT_EQ(store_->has(0, hash_of(number)), known != recent.end()) << i;
    if (random() % 3 == 0) {
      ASSERT_EQ(comes_back(0, number), known != recent.end()) << i;
      continue;
    }
    while (store_->staging_room() == 0) store_->drain();
    put(0, number);
    if (known != recent.end()) recent.erase(known);
    recent.push_back(number);
    if (recent.size() > 16) recent.erase(recent.begin());
  }
}

TEST_F(PrefixStoreTest, pages_that_come_too_fast_are_dropped_and_counted) {
  open(std::make_unique<FakeFile>(disk_), 100, 2);
  {
    const std::lock_guard lock(disk_->mutex);  // the disk stands still
    for (uint64_t i = 0; i < 10; ++i) put(0, i);
    EXPECT_EQ(store_->counters().dropped, 8U);
    EXPECT_EQ(store_->staging_room(), 0U);
  }
  store_->drain();
  EXPECT_TRUE(comes_back(0, 0));
  EXPECT_TRUE(comes_back(0, 1));
  EXPECT_FALSE(comes_back(0, 2));
}

TEST_F(PrefixStoreTest, a_full_disk_stops_writing_and_nothing_else) {
  disk_->bytes_max = 5 * kPageBytes[0];
  open_fake(100);
  for (uint64_t i = 0; i < 10; ++i) put(0, i);
  store_->drain();
  EXPECT_EQ(store_->counters().written, 5U);
  EXPECT_EQ(store_->counters().errors, 1U);
  for (uint64_t i = 0; i < 10; ++i) EXPECT_EQ(comes_back(0, i), i < 5) << i;
  EXPECT_EQ(store_->counters().pages, 5U);
  put(0, 11);
  EXPECT_FALSE(store_->has(0, hash_of(11)));
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_.front().find("/disk: cannot write: full"), std::string::npos);
}

TEST_F(PrefixStoreTest, a_page_that_has_changed_is_not_used) {
  open_fake(100);
  for (uint64_t i = 0; i < 4; ++i) put(0, i);
  store_->drain();
  disk_->bytes[2 * kPageBytes[0] + 77] ^= std::byte{1};
  EXPECT_TRUE(comes_back(0, 1));
  EXPECT_FALSE(comes_back(0, 2));
  EXPECT_EQ(store_->counters().errors, 1U);
  EXPECT_FALSE(store_->has(0, hash_of(1))) << "a disk that forges is used no more";
  put(0, 9);
  EXPECT_FALSE(store_->has(0, hash_of(9)));
  EXPECT_EQ(warnings_.size(), 1U);
}

TEST_F(PrefixStoreTest, a_disk_that_cannot_be_read_is_left_alone) {
  open_fake(100);
  for (uint64_t i = 0; i < 4; ++i) put(0, i);
  store_->drain();
  disk_->reads_fail = true;
  EXPECT_FALSE(comes_back(0, 1));
  EXPECT_FALSE(store_->has(0, hash_of(2)));
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_.front().find("/disk: cannot read: broken"), std::string::npos);
}

TEST_F(PrefixStoreTest, after_a_pause_a_disk_is_tried_again) {
  retry_first_ = std::chrono::milliseconds(5);
  disk_->bytes_max = 2 * kPageBytes[0];
  open_fake(1000);
  for (uint64_t i = 0; i < 4; ++i) put(0, i);
  store_->drain();
  EXPECT_GE(store_->counters().errors, 1U);
  disk_->bytes_max = UINT64_MAX;
  EXPECT_TRUE(comes_to_itself());
  disk_->reads_fail = true;
  EXPECT_FALSE(comes_back(0, 1));
  disk_->reads_fail = false;
  EXPECT_TRUE(comes_to_itself());
  store_->drain();
  EXPECT_NE(std::ranges::find_if(warnings_, [](const auto& w) { return w.ends_with("pages are read again"); }),
            warnings_.end());
  EXPECT_NE(std::ranges::find_if(warnings_, [](const auto& w) { return w.ends_with("pages are written again"); }),
            warnings_.end());
}

}  // namespace
}  // namespace kedge::engine
