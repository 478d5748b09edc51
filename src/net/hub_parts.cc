#include "net/hub_parts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/check.h"

namespace kedge::net {
namespace {

/// The record: this, then how many bytes each part has (uint64). A part's number is written after its bytes, so that it
/// never promises more than there is; should the machine itself crash, the checksum at the end finds out.
struct RecordHead {
  char magic[16] = "kedge parts 1\n";
  uint64_t size = 0;
  uint64_t part_bytes = 0;
};

Error io_error(const std::filesystem::path& path, std::string_view doing, int code) {
  return {ErrorKind::unavailable, fmt::format("{}: cannot {}: {}", path.string(), doing, std::strerror(code))};
}

bool write_at(int fd, std::string_view bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return true;
}

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

template <typename T>
bool read_at(int fd, T& value, uint64_t offset) {
  return ::pread(fd, &value, sizeof(value), static_cast<off_t>(offset)) == static_cast<ssize_t>(sizeof(value));
}

uint64_t count_of_parts(uint64_t size, uint64_t part_bytes) {
  return (size + part_bytes - 1) / part_bytes;
}

}  // namespace

PartFile::PartFile(std::filesystem::path data, uint64_t size, uint64_t part_bytes)
    : data_(std::move(data)), size_(size), part_bytes_(part_bytes), done_(count_of_parts(size, part_bytes)) {}

PartFile::~PartFile() {
  if (data_fd_ >= 0) ::close(data_fd_);
  if (record_fd_ >= 0) ::close(record_fd_);
}

Result<std::unique_ptr<PartFile>> PartFile::open(const std::filesystem::path& data, uint64_t size,
                                                 uint64_t part_bytes) {
  KEDGE_CHECK(part_bytes > 0);
  std::unique_ptr<PartFile> file(new PartFile(data, size, part_bytes));
  KEDGE_TRY(file->prepare());
  return file;
}

Status PartFile::prepare() {
  data_fd_ = ::open(data_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (data_fd_ < 0) return io_error(data_, "create", errno);
  record_fd_ = ::open(record_path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (record_fd_ < 0) return io_error(record_path(), "create", errno);
  if (read_record()) return Done{};
  return write_record();
}

/// False when there is no record, or none that fits: another size, other parts, more bytes than a part has.
bool PartFile::read_record() {
  RecordHead head;
  struct stat data_info {};
  if (!read_at(record_fd_, head, 0) || ::fstat(data_fd_, &data_info) != 0) return false;
  const RecordHead expected{.size = size_, .part_bytes = part_bytes_};
  if (std::memcmp(&head, &expected, sizeof(head)) != 0) return false;
  if (static_cast<uint64_t>(data_info.st_size) != size_) return false;
  for (size_t part = 0; part < done_.size(); ++part) {
    uint64_t count = 0;
    if (!read_at(record_fd_, count, sizeof(head) + part * sizeof(count)) || count > size(part)) return false;
    done_[part] = count;
  }
  return true;
}

Status PartFile::write_record() {
  for (auto& count : done_) count = 0;
  if (::ftruncate(record_fd_, 0) != 0) return io_error(record_path(), "write", errno);
  if (::ftruncate(data_fd_, static_cast<off_t>(size_)) != 0) return io_error(data_, "write", errno);
  const RecordHead head{.size = size_, .part_bytes = part_bytes_};
  const std::string zeros(done_.size() * sizeof(uint64_t), '\0');
  if (!write_at(record_fd_, zeros, sizeof(head)) || !write_at(record_fd_, bytes_of(head), 0)) {
    return io_error(record_path(), "write", errno);
  }
  return Done{};
}

uint64_t PartFile::size(size_t part) const {
  return std::min(part_bytes_, size_ - begin(part));
}

uint64_t PartFile::done() const {
  uint64_t sum = 0;
  for (const auto& count : done_) sum += count.load(std::memory_order_relaxed);
  return sum;
}

Status PartFile::append(size_t part, std::string_view bytes) {
  const uint64_t before = done(part);
  KEDGE_CHECK(bytes.size() <= size(part) - before);
  if (!write_at(data_fd_, bytes, begin(part) + before)) return io_error(data_, "write", errno);
  const uint64_t after = before + bytes.size();
  if (!write_at(record_fd_, bytes_of(after), sizeof(RecordHead) + part * sizeof(after))) {
    return io_error(record_path(), "write", errno);
  }
  done_[part].store(after, std::memory_order_relaxed);
  return Done{};
}

Status PartFile::publish(const std::filesystem::path& path) {
  KEDGE_CHECK(done() == size_);
  if (::fsync(data_fd_) != 0) return io_error(data_, "flush", errno);
  if (::rename(data_.c_str(), path.c_str()) != 0) return io_error(path, "rename", errno);
  std::error_code ignored;
  std::filesystem::remove(record_path(), ignored);
  return Done{};
}

void PartFile::discard() {
  std::error_code ignored;
  std::filesystem::remove(record_path(), ignored);
  std::filesystem::remove(data_, ignored);
}

}  // namespace kedge::net
