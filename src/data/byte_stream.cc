#include "data/byte_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <unistd.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace kedge::data {
namespace {

constexpr size_t kInputBytes = size_t{1} << 18;

/// The file itself, with a look ahead at its first bytes.
class RawFile {
 public:
  RawFile(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;
  ~RawFile() { ::close(fd_); }

  Result<size_t> read(std::span<char> buffer) {
    for (;;) {
      const ssize_t count = ::read(fd_, buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Error{ErrorKind::unavailable, fmt::format("{}: {}", path_.string(), std::strerror(errno))};
      consumed_ += static_cast<size_t>(count);
      return static_cast<size_t>(count);
    }
  }
  [[nodiscard]] size_t consumed() const { return consumed_; }
  [[nodiscard]] std::string name() const { return path_.string(); }

 private:
  std::filesystem::path path_;
  int fd_;
  size_t consumed_ = 0;
};

/// What all three share: a file and a buffer of its bytes.
class BufferedStream : public ByteStream {
 public:
  explicit BufferedStream(std::unique_ptr<RawFile> file) : file_(std::move(file)), input_(kInputBytes) {}
  [[nodiscard]] size_t consumed() const override { return file_->consumed() - (end_ - begin_); }

  /// Bytes at hand; empty only at the end of the file.
  Result<std::span<const char>> available() {
    if (begin_ == end_) {
      KEDGE_ASSIGN(const size_t count, file_->read(input_));
      begin_ = 0;
      end_ = count;
    }
    return std::span<const char>(input_).subspan(begin_, end_ - begin_);
  }
  void take(size_t count) { begin_ += count; }
  [[nodiscard]] Error broken(std::string_view what) const {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: {}", file_->name(), what)};
  }

 private:
  std::unique_ptr<RawFile> file_;
  std::vector<char> input_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

class PlainStream final : public BufferedStream {
 public:
  using BufferedStream::BufferedStream;
  Result<size_t> read(std::span<char> buffer) override {
    KEDGE_ASSIGN(const std::span<const char> bytes, available());
    const size_t count = std::min(bytes.size(), buffer.size());
    std::memcpy(buffer.data(), bytes.data(), count);
    take(count);
    return count;
  }
};

/// Members one after the other, by ISA-L, which takes half of zlib's time.
class GzipStream final : public BufferedStream {
 public:
  explicit GzipStream(std::unique_ptr<RawFile> file) : BufferedStream(std::move(file)) { isal_inflate_init(&state_); }

  Result<size_t> read(std::span<char> buffer) override {
    state_.next_out = reinterpret_cast<uint8_t*>(buffer.data());
    state_.avail_out = static_cast<uint32_t>(std::min<size_t>(buffer.size(), std::numeric_limits<uint32_t>::max()));
    const uint32_t room = state_.avail_out;
    while (state_.avail_out > 0 && !ended_) {
      const Status status = inflate_some();
      if (!status.ok()) failure_ = status.error();
      ended_ = ended_ || !status.ok();
    }
    const auto count = static_cast<size_t>(room - state_.avail_out);
    if (count == 0 && failure_) return *std::exchange(failure_, std::nullopt);  // behind all that came before it
    return count;
  }

 private:
  void begin_member() {
    isal_inflate_reset(&state_);
    state_.crc_flag = ISAL_GZIP;
    in_member_ = true;
  }

  Status inflate_some() {
    KEDGE_ASSIGN(const std::span<const char> bytes, available());
    if (!in_member_) {
      const bool padding = members_ > 0 && !bytes.empty() && bytes[0] == '\0';
      ended_ = bytes.empty() || padding;
      if (ended_) return Done{};
      begin_member();
    }
    const uint32_t room = state_.avail_out;
    state_.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(bytes.data()));
    state_.avail_in = static_cast<uint32_t>(bytes.size());
    const int code = isal_inflate(&state_);
    take(bytes.size() - state_.avail_in);
    if (code < 0) return broken(fmt::format("not a gzip stream ({})", reason(code)));
    if (state_.block_state == ISAL_BLOCK_FINISH) {
      in_member_ = false;
      ++members_;
    } else if (bytes.empty() && state_.avail_out == room) {  // nothing was held back either
      return broken("the gzip stream breaks off");
    }
    return Done{};
  }

  static std::string_view reason(int code) {
    switch (code) {
      case ISAL_INVALID_WRAPPER:
        return "no gzip header";
      case ISAL_UNSUPPORTED_METHOD:
        return "not deflated";
      case ISAL_INCORRECT_CHECKSUM:
        return "wrong checksum";
      default:
        return "invalid data";
    }
  }

  inflate_state state_;  // its windows need no zeros
  bool in_member_ = false;
  bool ended_ = false;
  size_t members_ = 0;
  std::optional<Error> failure_;
};

class ZstdStream final : public BufferedStream {
 public:
  explicit ZstdStream(std::unique_ptr<RawFile> file)
      : BufferedStream(std::move(file)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {}

  Result<size_t> read(std::span<char> buffer) override {
    if (stream_ == nullptr) return Error{ErrorKind::out_of_memory, "zstd could not be started"};
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    while (out.pos == 0 && !buffer.empty() && !ended_) {
      KEDGE_ASSIGN(const std::span<const char> bytes, available());
      if (bytes.empty() && !inside_) return size_t{0};
      ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
      const size_t hint = ZSTD_decompressStream(stream_.get(), &out, &in);
      take(in.pos);
      if (ZSTD_isError(hint) != 0) {
        ended_ = true;
        return broken(fmt::format("not a zstd stream ({})", ZSTD_getErrorName(hint)));
      }
      if (bytes.empty() && out.pos == 0) {
        ended_ = true;
        return broken("the zstd stream breaks off");
      }
      inside_ = hint != 0;
    }
    return out.pos;
  }

 private:
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  bool inside_ = false;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteStream>> ByteStream::open(const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) {
    return Error{ErrorKind::not_found, fmt::format("{}: is a folder, expected a file", path.string())};
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{ErrorKind::not_found, fmt::format("{}: {}", path.string(), std::strerror(errno))};
  auto file = std::make_unique<RawFile>(path, fd);
  std::array<unsigned char, 4> magic{};
  const ssize_t count = ::pread(fd, magic.data(), magic.size(), 0);
  if (count >= 2 && magic[0] == 0x1F && magic[1] == 0x8B) {
    return std::unique_ptr<ByteStream>(std::make_unique<GzipStream>(std::move(file)));
  }
  if (count == 4 && magic[0] == 0x28 && magic[1] == 0xB5 && magic[2] == 0x2F && magic[3] == 0xFD) {
    return std::unique_ptr<ByteStream>(std::make_unique<ZstdStream>(std::move(file)));
  }
  return std::unique_ptr<ByteStream>(std::make_unique<PlainStream>(std::move(file)));
}

}  // namespace kedge::data
