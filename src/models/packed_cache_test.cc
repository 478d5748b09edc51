// Goal: what was stored is found again, and nothing stale, torn or foreign is ever believed.
// Method: a file stored and found; then every kind of damage, byte by byte in the head, and every other key and size.

#include "models/packed_cache.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <vector>

#include "models/tiny_model_test_support.h"

namespace kedge::models {
namespace {

std::vector<std::byte> some_bytes(size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 251);
  return bytes;
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}
void overwrite(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

class PackedCacheTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  WorkerPool pool_{2};
  std::vector<std::byte> bytes_ = some_bytes(100'000);
  PackedCache cache_{folder_.path() / "new" / "folder", "a model/../v1", "key 1"};

  [[nodiscard]] bool found(const PackedCache& cache, size_t size) { return cache.find(pool_, size).file != nullptr; }
};

TEST_F(PackedCacheTest, gives_back_what_was_stored) {
  EXPECT_FALSE(found(cache_, bytes_.size()));
  ASSERT_TRUE(cache_.store(pool_, bytes_).ok());
  const PackedCache::Stored stored = cache_.find(pool_, bytes_.size());
  ASSERT_NE(stored.file, nullptr);
  EXPECT_EQ(std::vector<std::byte>(stored.bytes.begin(), stored.bytes.end()), bytes_);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(stored.bytes.data()) % 4096, 0U);
  EXPECT_EQ(cache_.path().parent_path(), folder_.path() / "new" / "folder");
}

TEST_F(PackedCacheTest, another_key_or_size_finds_nothing) {
  ASSERT_TRUE(cache_.store(pool_, bytes_).ok());
  EXPECT_FALSE(found(PackedCache(folder_.path() / "new" / "folder", "a model/../v1", "key 2"), bytes_.size()));
  EXPECT_FALSE(found(cache_, bytes_.size() - 1));
  // The same file under the name of another key: the key inside decides.
  const PackedCache other(folder_.path() / "new" / "folder", "a model/../v1", "key 2");
  std::filesystem::copy_file(cache_.path(), other.path());
  EXPECT_FALSE(found(other, bytes_.size()));
}

TEST_F(PackedCacheTest, a_damaged_file_is_not_believed_and_is_replaced) {
  ASSERT_TRUE(cache_.store(pool_, bytes_).ok());
  const std::string whole = contents(cache_.path());
  for (size_t at = 0; at < 53; ++at) {  // the head and the key
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    overwrite(cache_.path(), damaged);
    EXPECT_FALSE(found(cache_, bytes_.size())) << "byte " << at;
  }
  for (const size_t at : {whole.size() - bytes_.size(), whole.size() - 1, whole.size() / 2}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    overwrite(cache_.path(), damaged);
    EXPECT_FALSE(found(cache_, bytes_.size())) << "byte " << at;
  }
  for (const size_t size : {size_t{0}, size_t{7}, size_t{48}, size_t{4096}, whole.size() - 1}) {
    overwrite(cache_.path(), whole.substr(0, size));
    EXPECT_FALSE(found(cache_, bytes_.size())) << size << " bytes";
  }
  overwrite(cache_.path(), whole + "x");
  EXPECT_FALSE(found(cache_, bytes_.size()));
  ASSERT_TRUE(cache_.store(pool_, bytes_).ok());
  EXPECT_TRUE(found(cache_, bytes_.size()));
}

TEST_F(PackedCacheTest, files_used_longest_ago_go_and_those_in_use_stay) {
  namespace fs = std::filesystem;
  const fs::path folder = folder_.path() / "several";
  std::vector<PackedCache> caches;
  for (const char* name : {"a", "b", "c", "d"}) {
    caches.emplace_back(folder, name, std::string("key of ") + name);
    ASSERT_TRUE(caches.back().store(pool_, bytes_).ok());
  }
  overwrite(folder / "not-ours.txt", std::string(500'000, 'x'));
  const uint64_t each = fs::file_size(caches[0].path());
  const auto now = fs::last_write_time(caches[0].path());
  for (int i = 0; i < 4; ++i) fs::last_write_time(caches[i].path(), now - std::chrono::hours(10 - i));
  const auto there = [&] {
    std::string names;
    for (const PackedCache& cache : caches)
      names += fs::exists(cache.path()) ? cache.path().filename().string()[0] : '-';
    return names;
  };
  caches[3].prune(4 * each);
  EXPECT_EQ(there(), "abcd");
  const PackedCache::Stored a = caches[0].find(pool_, bytes_.size());  // used just now, and in use
  ASSERT_NE(a.file, nullptr);
  caches[3].prune(4 * each - 1);
  EXPECT_EQ(there(), "a-cd");
  caches[3].prune(0);  // only what is in use and its own stay
  EXPECT_EQ(there(), "a--d");
  EXPECT_EQ(std::vector<std::byte>(a.bytes.begin(), a.bytes.end()), bytes_);
  EXPECT_TRUE(fs::exists(folder / "not-ours.txt"));
}

TEST_F(PackedCacheTest, a_file_that_was_in_use_may_go) {
  const PackedCache other(cache_.path().parent_path(), "other", "key");
  ASSERT_TRUE(cache_.store(pool_, bytes_).ok());
  {
    const PackedCache::Stored stored = cache_.find(pool_, bytes_.size());
    other.prune(1);
    EXPECT_TRUE(std::filesystem::exists(cache_.path()));
  }
  other.prune(1);
  EXPECT_FALSE(std::filesystem::exists(cache_.path()));
}

TEST_F(PackedCacheTest, a_folder_that_cannot_be_made_is_an_error) {
  overwrite(folder_.path() / "file", "x");
  const PackedCache cache(folder_.path() / "file" / "below", "m", "key");
  EXPECT_FALSE(cache.store(pool_, bytes_).ok());
  EXPECT_FALSE(found(cache, bytes_.size()));
}

}  // namespace
}  // namespace kedge::models
