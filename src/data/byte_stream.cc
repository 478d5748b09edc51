#include "data/byte_stream.h"

#include <bzlib.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
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
  void seek(uint64_t position) { ::lseek(fd_, static_cast<off_t>(position), SEEK_SET); }
  /// Its first ten bytes, wherever reading is.
  [[nodiscard]] std::string beginning() const {
    std::string bytes(10, '\0');
    const ssize_t count = ::pread(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
    return bytes;
  }
  [[nodiscard]] size_t consumed() const { return consumed_; }
  [[nodiscard]] std::string name() const { return path_.string(); }

 private:
  std::filesystem::path path_;
  int fd_;
  size_t consumed_ = 0;
};

/// What all of them share: a file and a buffer of its bytes.
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
  [[nodiscard]] bool is_empty() const { return begin_ == end_; }
  /// Without the buffer's copy. REQUIRES: is_empty().
  Result<size_t> read_past(std::span<char> buffer) { return file_->read(buffer); }
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
    if (buffer.size() >= kInputBytes && is_empty()) return read_past(buffer);
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
    while (out.pos < out.size && !ended_) {
      const Status status = decompress(out);
      if (!status.ok()) failure_ = status.error();
      ended_ = ended_ || !status.ok();
    }
    if (out.pos == 0 && failure_) return *std::exchange(failure_, std::nullopt);  // behind all that came before it
    return out.pos;
  }

 private:
  Status decompress(ZSTD_outBuffer& out) {
    KEDGE_ASSIGN(const std::span<const char> bytes, available());
    ended_ = bytes.empty() && !inside_;
    if (ended_) return Done{};
    ZSTD_inBuffer in{bytes.data(), std::min(bytes.size(), next_size_), 0};
    const size_t position = out.pos;
    const size_t hint = ZSTD_decompressStream(stream_.get(), &out, &in);
    take(in.pos);
    if (ZSTD_isError(hint) != 0) return broken(fmt::format("not a zstd stream ({})", ZSTD_getErrorName(hint)));
    if (bytes.empty() && out.pos == position) return broken("the zstd stream breaks off");
    inside_ = hint != 0;
    next_size_ = inside_ ? hint : kFrameBytes;
    return Done{};
  }

  static constexpr size_t kFrameBytes = 5;  // tell how long a frame's header is

  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  size_t next_size_ = kFrameBytes;  // a block at a time: what a call that fails has decoded is lost
  bool inside_ = false;
  bool ended_ = false;
  std::optional<Error> failure_;
};

class Bzip2Stream final : public BufferedStream {
 public:
  using BufferedStream::BufferedStream;
  ~Bzip2Stream() override { end_stream(); }

  Result<size_t> read(std::span<char> buffer) override {
    stream_.next_out = buffer.data();
    stream_.avail_out = static_cast<unsigned>(std::min<size_t>(buffer.size(), std::numeric_limits<unsigned>::max()));
    const unsigned room = stream_.avail_out;
    while (stream_.avail_out == room && room > 0 && !ended_) {
      const Status status = decompress();
      if (!status.ok()) failure_ = status.error();
      ended_ = ended_ || !status.ok();
    }
    const auto count = static_cast<size_t>(room - stream_.avail_out);
    if (count == 0 && failure_) return *std::exchange(failure_, std::nullopt);  // behind all that came before it
    return count;
  }

 private:
  void end_stream() {
    if (running_) BZ2_bzDecompressEnd(&stream_);
    running_ = false;
  }

  Status decompress() {
    KEDGE_ASSIGN(const std::span<const char> bytes, available());
    ended_ = bytes.empty();
    if (ended_ && running_) return broken("the bzip2 stream breaks off");
    if (ended_) return Done{};
    if (!running_ && BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) {
      return Error{ErrorKind::out_of_memory, "bzip2 could not be started"};
    }
    running_ = true;
    stream_.next_in = const_cast<char*>(bytes.data());
    stream_.avail_in = static_cast<unsigned>(bytes.size());
    const int code = BZ2_bzDecompress(&stream_);
    take(bytes.size() - stream_.avail_in);
    if (code == BZ_STREAM_END) {
      end_stream();  // another may follow, as dumps in parts have them
    } else if (code != BZ_OK) {
      return broken(fmt::format("not a bzip2 stream (bzip2 says {})", code));
    }
    return Done{};
  }

  bz_stream stream_{};
  bool running_ = false;
  bool ended_ = false;
  std::optional<Error> failure_;
};

/// From the first line that begins at `begin` or later to the first that does so at `end`.
class LinesStream final : public BufferedStream {
 public:
  LinesStream(std::unique_ptr<RawFile> file, uint64_t begin, uint64_t end)
      : BufferedStream(std::move(file)), skipping_(begin > 0), at_(begin > 0 ? begin - 1 : 0), end_(end) {}

  Result<size_t> read(std::span<char> buffer) override {
    KEDGE_TRY(skip());
    if (ended_ || buffer.empty()) return size_t{0};
    KEDGE_ASSIGN(std::span<const char> bytes, available());
    bytes = bytes.first(std::min(bytes.size(), buffer.size()));
    const uint64_t before_end = at_ >= end_ - 1 ? 0 : end_ - 1 - at_;  // of these a newline ends nothing
    if (bytes.size() > before_end) {
      const auto* const from = bytes.data() + before_end;
      const auto* const newline =
          static_cast<const char*>(std::memchr(from, '\n', bytes.size() - static_cast<size_t>(before_end)));
      if (newline != nullptr) {
        ended_ = true;
        bytes = bytes.first(static_cast<size_t>(newline + 1 - bytes.data()));
      }
    }
    std::memcpy(buffer.data(), bytes.data(), bytes.size());
    advance(bytes.size());
    return bytes.size();
  }

 private:
  void advance(size_t count) {
    take(count);
    at_ += count;
  }

  /// To the first line of the part, which may begin where another part does.
  Status skip() {
    if (!skipping_) return Done{};
    while (skipping_) {
      KEDGE_ASSIGN(const std::span<const char> bytes, available());
      if (bytes.empty()) break;
      const auto* const newline = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
      skipping_ = newline == nullptr;
      advance(skipping_ ? bytes.size() : static_cast<size_t>(newline + 1 - bytes.data()));
    }
    if (at_ >= end_) ended_ = true;
    return Done{};
  }

  bool skipping_;
  bool ended_ = false;
  uint64_t at_, end_;
};

Result<std::unique_ptr<RawFile>> open_file(const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) {
    return Error{ErrorKind::not_found, fmt::format("{}: is a folder, expected a file", path.string())};
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{ErrorKind::not_found, fmt::format("{}: {}", path.string(), std::strerror(errno))};
  return std::make_unique<RawFile>(path, fd);
}

}  // namespace

Result<std::unique_ptr<ByteStream>> ByteStream::open_lines(const Input& input) {
  KEDGE_ASSIGN(auto file, open_file(input.path));
  if (input.begin > 0) file->seek(input.begin - 1);
  return std::unique_ptr<ByteStream>(std::make_unique<LinesStream>(std::move(file), input.begin, input.end));
}

Result<std::unique_ptr<ByteStream>> ByteStream::open(const std::filesystem::path& path) {
  KEDGE_ASSIGN(auto file, open_file(path));
  const std::string magic = file->beginning();
  if (magic.starts_with("\x1F\x8B")) {
    return std::unique_ptr<ByteStream>(std::make_unique<GzipStream>(std::move(file)));
  }
  if (magic.starts_with("\x28\xB5\x2F\xFD")) {
    return std::unique_ptr<ByteStream>(std::make_unique<ZstdStream>(std::move(file)));
  }
  if (magic.size() == 10 && magic.starts_with("BZh") && magic.substr(4) == "1AY&SY") {
    return std::unique_ptr<ByteStream>(std::make_unique<Bzip2Stream>(std::move(file)));
  }
  return std::unique_ptr<ByteStream>(std::make_unique<PlainStream>(std::move(file)));
}

}  // namespace kedge::data
