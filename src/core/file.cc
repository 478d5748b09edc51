#include "core/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

namespace kedge {
namespace {

constexpr size_t kHandOverBytes = size_t{16} << 20;

Error system_error(const std::filesystem::path& path, const char* doing, int code) {
  const ErrorKind kind = (code == ENOENT || code == ENOTDIR || code == EACCES || code == EISDIR)
                             ? ErrorKind::not_found
                             : ErrorKind::unavailable;
  return {kind, fmt::format("{}: cannot {}: {}", path.string(), doing, std::strerror(code))};
}

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error(path, "open", errno);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, "read", errno);
    if (count == 0) return text;
    if (text.size() + static_cast<size_t>(count) > bytes_max) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("{}: larger than the limit of {} bytes", path.string(), bytes_max)};
    }
    text.append(buffer, static_cast<size_t>(count));
  }
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  return open(path, false);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open_in_use(const std::filesystem::path& path) {
  return open(path, true);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path, bool in_use) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error(path, "open", errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error(path, "inspect", errno);
  if (!S_ISREG(info.st_mode)) return system_error(path, "map", EISDIR);
  const auto size = static_cast<size_t>(info.st_size);
  std::span<const std::byte> bytes;
  if (size > 0) {
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) return system_error(path, "map", errno);
    bytes = {static_cast<const std::byte*>(address), size};
  }
  std::shared_ptr<MappedFile> mapped(new MappedFile(path, bytes));
  // Not every file system has locks: without one the file may be removed, and the mapping stays right all the same.
  if (in_use && ::flock(file.get(), LOCK_SH | LOCK_NB) == 0) mapped->lock_ = ::fcntl(file.get(), F_DUPFD_CLOEXEC, 0);
  return std::shared_ptr<const MappedFile>(std::move(mapped));
}

bool remove_unused_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return false;
  return ::unlink(path.c_str()) == 0;
}

MappedFile::~MappedFile() {
  if (lock_ >= 0) ::close(lock_);
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::forget(std::span<const std::byte> part) const {
  if (part.empty() || part.data() < bytes_.data() || part.data() + part.size() > bytes_.data() + bytes_.size()) return;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto first = static_cast<size_t>(part.data() - bytes_.data());  // the mapping begins on a page
  const size_t begin = (first + page - 1) / page * page, end = (first + part.size()) / page * page;
  if (begin < end) ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
  std::random_device random;
  for (int attempt = 0; attempt < 100; ++attempt) {  // mkstemp would not heed the umask
    const std::string temporary = path.string() + fmt::format(".tmp-{:08x}", random());
    const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return AtomicFile(path, temporary, fd);
    if (errno != EEXIST) break;
  }
  return system_error(path, "create", errno);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      handed_over_(other.handed_over_) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path_, "write", errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
    size_ += static_cast<size_t>(count);
  }
  if (size_ - handed_over_ >= kHandOverBytes) {  // the disk begins now; a failure shows when the file is flushed
    ::sync_file_range(fd_, static_cast<off64_t>(handed_over_), static_cast<off64_t>(size_ - handed_over_),
                      SYNC_FILE_RANGE_WRITE);
    handed_over_ = size_;
  }
  return Done{};
}

Status AtomicFile::write(std::string_view text) {
  return write(std::as_bytes(std::span(text)));
}

Status AtomicFile::commit() {
  if (::fsync(fd_) != 0) return system_error(path_, "flush", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return system_error(path_, "rename", errno);
  ::close(std::exchange(fd_, -1));
  return Done{};
}

}  // namespace kedge
