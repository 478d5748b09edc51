#include "models/packed_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>
#include <vector>

#include "core/checksum.h"

namespace kedge::models {
namespace {

constexpr std::array<char, 8> kMagic = {'K', 'E', 'D', 'G', 'E', 'P', 'K', '1'};
constexpr uint64_t kPayloadBorder = 4096;
constexpr std::string_view kExtension = ".packed";

/// The file's first bytes; then the key, zeros up to `payload_offset`, the payload.
struct Header {
  std::array<char, 8> magic = kMagic;
  uint64_t key_bytes = 0;
  uint64_t payload_offset = 0;
  uint64_t payload_bytes = 0;
  uint64_t payload_checksum = 0;
  uint64_t head_checksum = 0;  // of this header with 0 here, and of the key
};

uint64_t head_checksum(Header header, std::string_view key) {
  header.head_checksum = 0;
  std::string text(reinterpret_cast<const char*>(&header), sizeof(header));
  text += key;
  return checksum(std::as_bytes(std::span(text)));
}

/// Letters, digits and a few marks of `name`, so that no path can hide in it.
std::string file_stem(std::string_view name) {
  std::string stem;
  for (const char c : name.substr(0, 80)) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    stem += plain ? c : '_';
  }
  return stem.empty() ? "model" : stem;
}

}  // namespace

PackedCache::PackedCache(std::filesystem::path folder, std::string_view name, std::string key)
    : path_(std::move(folder)), key_(std::move(key)) {
  path_ /= fmt::format("{}-{:016x}{}", file_stem(name), checksum(std::as_bytes(std::span(key_))), kExtension);
}

PackedCache::Stored PackedCache::find(WorkerPool& pool, uint64_t bytes) const {
  auto mapped = MappedFile::open_in_use(path_);
  if (!mapped.ok()) return {};
  const std::span<const std::byte> all = mapped.value()->bytes();
  Header header;
  if (all.size() < sizeof(header)) return {};
  std::memcpy(&header, all.data(), sizeof(header));
  const uint64_t offset = header.payload_offset;
  const bool shaped = header.magic == kMagic && header.key_bytes == key_.size() && header.payload_bytes == bytes &&
                      offset % kPayloadBorder == 0 && offset <= all.size() && all.size() - offset == bytes &&
                      offset >= sizeof(header) + key_.size();
  if (!shaped) return {};
  const std::string_view key(reinterpret_cast<const char*>(all.data()) + sizeof(header), key_.size());
  if (key != key_ || header.head_checksum != head_checksum(header, key)) return {};
  const std::span<const std::byte> payload = all.subspan(offset);
  if (checksum(pool, payload) != header.payload_checksum) return {};
  std::error_code ignored;  // a folder that cannot be written
  std::filesystem::last_write_time(path_, std::filesystem::file_time_type::clock::now(), ignored);
  return {std::move(mapped).value(), payload};
}

void PackedCache::prune(uint64_t bytes_max) const {
  namespace fs = std::filesystem;
  struct File {
    fs::path path;
    uint64_t bytes = 0;
    fs::file_time_type used;
  };
  std::vector<File> files;
  uint64_t total = 0;
  std::error_code error;
  for (fs::directory_iterator at(path_.parent_path(), error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() != kExtension || !at->is_regular_file(error)) continue;
    const uint64_t bytes = at->file_size(error);
    if (error) break;  // it went meanwhile
    files.push_back({at->path(), bytes, at->last_write_time(error)});
    total += bytes;
  }
  std::ranges::sort(files, {}, &File::used);
  for (const File& file : files) {
    if (total <= bytes_max) return;
    if (file.path != path_ && remove_unused_file(file.path)) total -= file.bytes;
  }
}

Status PackedCache::store(WorkerPool& pool, std::span<const std::byte> bytes) const {
  std::error_code error;
  std::filesystem::create_directories(path_.parent_path(), error);
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path_));
  Header header{.key_bytes = key_.size(), .payload_bytes = bytes.size(), .payload_checksum = checksum(pool, bytes)};
  header.payload_offset = (sizeof(header) + key_.size() + kPayloadBorder - 1) / kPayloadBorder * kPayloadBorder;
  header.head_checksum = head_checksum(header, key_);
  KEDGE_TRY(file.write(std::as_bytes(std::span(&header, 1))));
  KEDGE_TRY(file.write(key_));
  KEDGE_TRY(file.write(std::string(header.payload_offset - file.size(), '\0')));
  KEDGE_TRY(file.write(bytes));
  return file.commit();
}

}  // namespace kedge::models
