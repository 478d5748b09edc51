// Goal: mapped pages that are given back come again unchanged, and nobody else's bytes are touched.
// Method: a file of known bytes, forgotten in parts, over its ends, and in another buffer.

#include "core/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "core/checksum.h"

namespace kedge {
namespace {

/// A temporary file of `size` bytes.
class FileOfBytes {
 public:
  explicit FileOfBytes(size_t size) : text_(size, '\0') {
    for (size_t i = 0; i < size; ++i) text_[i] = static_cast<char>(i * 7 + i / 257);
    std::string pattern = (std::filesystem::temp_directory_path() / "kedge-file-XXXXXX").string();
    const int file = ::mkstemp(pattern.data());
    EXPECT_EQ(::write(file, text_.data(), size), static_cast<ssize_t>(size));
    ::close(file);
    path_ = pattern;
  }
  FileOfBytes(const FileOfBytes&) = delete;
  FileOfBytes& operator=(const FileOfBytes&) = delete;
  ~FileOfBytes() { std::filesystem::remove(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::as_bytes(std::span(text_)); }

 private:
  std::string text_;
  std::filesystem::path path_;
};

TEST(MappedFile, forgotten_pages_come_again) {
  const FileOfBytes file(100'000);
  const auto mapped = MappedFile::open(file.path());
  ASSERT_TRUE(mapped.ok());
  const std::span<const std::byte> bytes = mapped.value()->bytes();
  for (const size_t first : {size_t{0}, size_t{1}, size_t{4096}, size_t{99'999}}) {
    mapped.value()->forget(bytes.subspan(first));
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), file.bytes().begin(), file.bytes().end())) << first;
  }
}

TEST(MappedFile, forgets_nothing_that_is_not_its_own) {
  const FileOfBytes file(10'000);
  const auto mapped = MappedFile::open(file.path());
  ASSERT_TRUE(mapped.ok());
  const std::vector<std::byte> other(1 << 16, std::byte{5});
  mapped.value()->forget(other);
  mapped.value()->forget({});
  mapped.value()->forget({mapped.value()->bytes().data(), 1 << 20});  // beyond the end
  EXPECT_EQ(other, std::vector<std::byte>(1 << 16, std::byte{5}));
}

TEST(Checksum, does_not_depend_on_threads_and_sees_every_byte) {
  std::vector<std::byte> bytes((size_t{33} << 20) + 5);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 1021);
  WorkerPool one(1), three(3);
  const uint64_t whole = checksum(one, bytes);
  EXPECT_EQ(checksum(three, bytes), whole);
  for (const size_t at : {size_t{0}, size_t{16} << 20, bytes.size() - 1}) {
    bytes[at] ^= std::byte{1};
    EXPECT_NE(checksum(one, bytes), whole) << at;
    bytes[at] ^= std::byte{1};
  }
  EXPECT_NE(checksum(one, std::span(bytes).first(bytes.size() - 1)), whole);
  EXPECT_EQ(checksum(one, {}), checksum(three, {}));
}

}  // namespace
}  // namespace kedge
