#include "data/line_file.h"

#include <zlib.h>
#include <zstd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <string>

#include "core/check.h"

namespace kedge::data {
namespace {

constexpr size_t kBufferBytes = size_t{256} << 10;
constexpr size_t kWriteBytes = size_t{1} << 20;
constexpr int kZstdLevel = 3;

class GzipCompressor final : public Compressor {
 public:
  GzipCompressor() {
    constexpr int kGzip = 16 + MAX_WBITS;
    KEDGE_CHECK(deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  }
  ~GzipCompressor() override { deflateEnd(&stream_); }
  void add(std::string_view text, bool last, std::string& out) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib does not write to it
    stream_.avail_in = static_cast<uInt>(text.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
      stream_.avail_out = static_cast<uInt>(buffer_.size());
      deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      out.append(buffer_.data(), buffer_.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
  }

 private:
  z_stream stream_{};
  std::string buffer_ = std::string(kBufferBytes, '\0');
};

class ZstdCompressor final : public Compressor {
 public:
  ZstdCompressor() : context_(ZSTD_createCCtx()) {
    KEDGE_CHECK(context_ != nullptr);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }
  void add(std::string_view text, bool last, std::string& out) override {
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    for (;;) {
      ZSTD_outBuffer to{buffer_.data(), buffer_.size(), 0};
      const size_t left = ZSTD_compressStream2(context_, &to, &in, last ? ZSTD_e_end : ZSTD_e_continue);
      KEDGE_CHECK(ZSTD_isError(left) == 0);
      out.append(buffer_.data(), to.pos);
      if (last ? left == 0 : in.pos == in.size) return;
    }
  }

 private:
  ZSTD_CCtx* context_;
  std::string buffer_ = std::string(kBufferBytes, '\0');
};

std::unique_ptr<Compressor> compressor_for(const std::filesystem::path& path) {
  if (path.extension() == ".gz") return std::make_unique<GzipCompressor>();
  if (path.extension() == ".zst") return std::make_unique<ZstdCompressor>();
  return nullptr;
}

}  // namespace

struct LineFile::Hash {
  XXH3_state_t state;
  Hash() { XXH3_64bits_reset(&state); }
};

Result<LineFile> LineFile::create(const std::filesystem::path& path) {
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
  return LineFile(std::move(file), compressor_for(path));
}

LineFile::LineFile(AtomicFile file, std::unique_ptr<Compressor> compressor)
    : file_(std::move(file)), compressor_(std::move(compressor)), hash_(std::make_unique<Hash>()) {}
LineFile::LineFile(LineFile&&) noexcept = default;
LineFile::~LineFile() = default;

Status LineFile::put(std::string_view bytes) {
  bytes_ += bytes.size();
  XXH3_64bits_update(&hash_->state, bytes.data(), bytes.size());
  return file_.write(bytes);
}

Status LineFile::write(std::string_view text) {
  pending_ += text;
  return pending_.size() < kWriteBytes ? Status(Done{}) : flush();
}

Status LineFile::flush() {
  if (compressor_ == nullptr) {
    KEDGE_TRY(put(pending_));
  } else {
    std::string out;
    std::string_view text = pending_;
    for (; !text.empty(); text.remove_prefix(std::min(kBufferBytes, text.size()))) {
      compressor_->add(text.substr(0, kBufferBytes), false, out);
    }
    KEDGE_TRY(put(out));
  }
  pending_.clear();
  return Done{};
}

Status LineFile::commit() {
  KEDGE_TRY(flush());
  if (compressor_ != nullptr) {
    std::string out;
    compressor_->add({}, true, out);
    KEDGE_TRY(put(out));
  }
  return file_.commit();
}

uint64_t LineFile::checksum() const {
  return XXH3_64bits_digest(&hash_->state);
}

Result<uint64_t> file_checksum(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const auto file, MappedFile::open(path));
  const auto bytes = file->bytes();
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace kedge::data
