#include "engine/page_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace kedge::engine {
namespace {

class NamelessFile final : public PageFile {
 public:
  NamelessFile(int fd, std::string folder) : fd_(fd), folder_(std::move(folder)) {}
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;
  ~NamelessFile() override { ::close(fd_); }

  Status write(uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return failure("write", count == 0 ? ENOSPC : errno);
      bytes = bytes.subspan(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return Done{};
  }

  Status read(uint64_t offset, std::span<std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return failure("read", errno);
      if (count == 0) return Error{ErrorKind::corrupt_data, fmt::format("{}: the file ends at {}", folder_, offset)};
      bytes = bytes.subspan(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return Done{};
  }

 private:
  [[nodiscard]] Error failure(const char* doing, int code) const {
    return {ErrorKind::unavailable, fmt::format("{}: cannot {}: {}", folder_, doing, std::strerror(code))};
  }

  const int fd_;
  const std::string folder_;
};

/// Where file systems have no nameless files, one that loses its name at once.
int open_and_unlink(const std::filesystem::path& folder) {
  std::string name = (folder / ".kedge-pages-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd >= 0) ::unlink(name.c_str());
  return fd;
}

}  // namespace

Result<std::unique_ptr<PageFile>> open_page_file(const std::filesystem::path& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) fd = open_and_unlink(folder);
  if (fd >= 0) return std::unique_ptr<PageFile>(std::make_unique<NamelessFile>(fd, folder.string()));
  return Error{ErrorKind::not_found,
               fmt::format("{}: cannot make a file there: {}; expected a folder that may be written to",
                           folder.string(), std::strerror(errno))};
}

}  // namespace kedge::engine
