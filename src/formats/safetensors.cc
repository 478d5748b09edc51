#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <tuple>

#include "formats/layout.h"
#include "formats/message.h"
#include "formats/safetensors_header.h"

namespace kedge::formats {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little endian and used as it lies");

constexpr size_t kLengthBytes = 8;

/// The header's text. The length is compared with what is there before anything is read at it.
Result<std::string_view> header_text(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.size() < kLengthBytes) {
    return corrupt(name, fmt::format("{} bytes long, expected at least the 8 of the header length: not a safetensors "
                                     "file, or cut off",
                                     bytes.size()));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  const size_t rest = bytes.size() - kLengthBytes;
  if (length > rest) {
    return corrupt(name, fmt::format("header length {} reaches past the end, expected at most the {} bytes that "
                                     "follow: not a safetensors file, or cut off",
                                     length, rest));
  }
  if (length > kSafetensorsHeaderBytesMax) {
    return corrupt(name, fmt::format("header length {}, the limit is {}", length, kSafetensorsHeaderBytesMax));
  }
  return std::string_view(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
}

/// The entry alone: its offsets against its shape and against the data that is there.
Status check_entry(const SafetensorsEntry& entry, uint64_t data_bytes, std::string_view name) {
  if (entry.begin > entry.end) {
    return corrupt_tensor(name, entry.name,
                          fmt::format("has data_offsets [{}, {}], expected begin <= end", entry.begin, entry.end));
  }
  if (entry.end > data_bytes) {
    return corrupt_tensor(name, entry.name,
                          fmt::format("has data_offsets [{}, {}], but the file holds {} bytes of data: cut off?",
                                      entry.begin, entry.end, data_bytes));
  }
  const std::optional<int64_t> expected = tensor_bytes(entry.dtype, entry.shape);
  if (!expected.has_value()) {
    return corrupt_tensor(name, entry.name,
                          fmt::format("has shape {}, whose byte count overflows", shape_text(entry.shape)));
  }
  if (entry.end - entry.begin != static_cast<uint64_t>(*expected)) {
    return corrupt_tensor(
        name, entry.name,
        fmt::format("has {} bytes (data_offsets [{}, {}]), expected {} ({} {})", entry.end - entry.begin, entry.begin,
                    entry.end, *expected, name_of(entry.dtype), shape_text(entry.shape)));
  }
  return Done{};
}

/// The entries together must tile the data. REQUIRES: each passed check_entry; sorted by begin, then end.
Status check_tiling(std::span<const SafetensorsEntry> entries, uint64_t data_bytes, std::string_view name) {
  uint64_t covered = 0;
  const SafetensorsEntry* previous = nullptr;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != covered) {
      return corrupt_tensor(name, entry.name,
                            fmt::format("begins at byte {} of the data, expected {}: it {} {}", entry.begin, covered,
                                        entry.begin < covered ? "overlaps" : "leaves a hole after",
                                        previous == nullptr ? "the header" : "tensor " + printable(previous->name)));
    }
    covered = entry.end;
    previous = &entry;
  }
  if (covered != data_bytes) {
    return corrupt(name, fmt::format("{} bytes follow the last tensor, expected none", data_bytes - covered));
  }
  return Done{};
}

}  // namespace

/// Fills a SafetensorsFile from checked bytes.
class SafetensorsParser {
 public:
  static Result<std::shared_ptr<const SafetensorsFile>> parse(std::span<const std::byte> bytes, std::string_view name,
                                                              std::shared_ptr<const MappedFile> mapped) {
    KEDGE_ASSIGN(const std::string_view text, header_text(bytes, name));
    KEDGE_ASSIGN(SafetensorsHeader header, parse_safetensors_header(text, name));
    const std::span<const std::byte> data = bytes.subspan(kLengthBytes + text.size());
    for (const SafetensorsEntry& entry : header.entries) KEDGE_TRY(check_entry(entry, data.size(), name));
    std::sort(header.entries.begin(), header.entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    KEDGE_TRY(check_tiling(header.entries, data.size(), name));

    std::shared_ptr<SafetensorsFile> file(new SafetensorsFile());
    file->name_ = name;
    file->file_ = std::move(mapped);
    file->metadata_ = std::move(header.metadata);
    file->tensors_.reserve(header.entries.size());
    for (SafetensorsEntry& entry : header.entries) {
      file->index_.emplace(entry.name, file->tensors_.size());
      file->tensors_.push_back({.name = std::move(entry.name),
                                .dtype = entry.dtype,
                                .shape = std::move(entry.shape),
                                .data = data.subspan(entry.begin, entry.end - entry.begin)});
    }
    return std::shared_ptr<const SafetensorsFile>(std::move(file));
  }
};

Result<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::open(const std::filesystem::path& path) {
  KEDGE_ASSIGN(std::shared_ptr<const MappedFile> mapped, MappedFile::open(path));
  const std::span<const std::byte> bytes = mapped->bytes();
  return SafetensorsParser::parse(bytes, path.string(), std::move(mapped));
}

Result<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::parse(std::span<const std::byte> bytes,
                                                                      std::string_view name) {
  return SafetensorsParser::parse(bytes, name, nullptr);
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace kedge::formats
