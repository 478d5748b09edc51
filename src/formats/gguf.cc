#include "formats/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "formats/gguf_reader.h"
#include "formats/gguf_types.h"
#include "formats/layout.h"
#include "formats/message.h"
#include "formats/safetensors.h"

namespace kedge::formats {
namespace {

/// A tensor's entry: where its data lies is known only after the last one.
struct Entry {
  TensorView tensor;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// The least that one entry takes in the file: counts are compared with what is left before they are looped over.
constexpr uint64_t kMetadataEntryBytesMin = 8 + 4 + 1;
constexpr uint64_t kTensorEntryBytesMin = 8 + 4 + 4 + 8;

Status check_count(const GgufReader& reader, std::string_view what, uint64_t count, uint64_t bytes_min,
                   uint64_t limit) {
  if (count > reader.remaining() / bytes_min) {
    return corrupt(reader.file(), fmt::format("{} count {}, but only {} bytes follow: cut off, or a wrong count", what,
                                              count, reader.remaining()));
  }
  if (count > limit) {
    return corrupt(reader.file(), fmt::format("{} count {}, the limit is {}", what, count, limit));
  }
  return Done{};
}

Result<std::vector<int64_t>> read_shape(GgufReader& reader, std::string_view tensor) {
  KEDGE_ASSIGN(const uint32_t rank, reader.number<uint32_t>("a tensor's dimension count"));
  if (rank > kTensorRankMax) {
    return corrupt_tensor(reader.file(), tensor,
                          fmt::format("has {} dimensions, the limit is {}", rank, kTensorRankMax));
  }
  std::vector<int64_t> shape;
  for (uint32_t i = 0; i < rank; ++i) {
    KEDGE_ASSIGN(const uint64_t dimension, reader.number<uint64_t>("a tensor's shape"));
    if (dimension > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return corrupt_tensor(reader.file(), tensor,
                            fmt::format("has the dimension {}, expected a number below 2^63", dimension));
    }
    shape.push_back(static_cast<int64_t>(dimension));
  }
  std::reverse(shape.begin(), shape.end());
  return shape;
}

Result<Entry> read_entry(GgufReader& reader) {
  KEDGE_ASSIGN(const std::string_view name, reader.string("a tensor's name", kGgufNameBytesMax));
  Entry entry{.tensor = {.name = std::string(name)}};
  KEDGE_ASSIGN(entry.tensor.shape, read_shape(reader, name));
  KEDGE_ASSIGN(const uint32_t type, reader.number<uint32_t>("a tensor's type"));
  const std::optional<DType> dtype = dtype_of_gguf(type);
  if (!dtype.has_value()) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: tensor {} has type {}, which kedge does not read; convert the model to another type",
                             reader.file(), printable(name), gguf_type_text(type))};
  }
  entry.tensor.dtype = *dtype;
  const std::optional<int64_t> bytes = tensor_bytes(*dtype, entry.tensor.shape);
  if (!bytes.has_value()) {
    return corrupt_tensor(reader.file(), name,
                          fmt::format("has shape {} of {}: rows are no whole number of {}-element blocks, or the byte "
                                      "count overflows",
                                      shape_text(entry.tensor.shape), name_of(*dtype), info_of(*dtype).block_elements));
  }
  entry.bytes = static_cast<uint64_t>(*bytes);
  KEDGE_ASSIGN(entry.offset, reader.number<uint64_t>("a tensor's offset"));
  return entry;
}

Status check_range(const Entry& entry, uint64_t data_bytes, uint64_t alignment, std::string_view file) {
  if (entry.offset % alignment != 0) {
    return corrupt_tensor(
        file, entry.tensor.name,
        fmt::format("has offset {}, expected a multiple of {} ({})", entry.offset, alignment, kGgufAlignmentKey));
  }
  if (entry.offset > data_bytes || entry.bytes > data_bytes - entry.offset) {
    return corrupt_tensor(file, entry.tensor.name,
                          fmt::format("takes {} bytes ({} {}) at offset {}, but the file holds {} bytes of data: cut "
                                      "off?",
                                      entry.bytes, name_of(entry.tensor.dtype), shape_text(entry.tensor.shape),
                                      entry.offset, data_bytes));
  }
  return Done{};
}

/// REQUIRES: every entry passed check_range.
Status check_overlap(const std::vector<Entry>& entries, std::string_view file) {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries) {
    if (entry.bytes > 0) sorted.push_back(&entry);
  }
  std::sort(sorted.begin(), sorted.end(), [](const Entry* a, const Entry* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const uint64_t end = sorted[i - 1]->offset + sorted[i - 1]->bytes;
    if (sorted[i]->offset < end) {
      return corrupt_tensor(file, sorted[i]->tensor.name,
                            fmt::format("at offset {} overlaps tensor {}, which ends at {}", sorted[i]->offset,
                                        printable(sorted[i - 1]->tensor.name), end));
    }
  }
  return Done{};
}

}  // namespace

/// Fills a GgufFile from foreign bytes.
class GgufParser {
 public:
  static Result<std::shared_ptr<const GgufFile>> parse(std::span<const std::byte> bytes, std::string_view name,
                                                       std::shared_ptr<const MappedFile> mapped) {
    std::shared_ptr<GgufFile> file(new GgufFile());
    file->name_ = name;
    file->file_ = std::move(mapped);
    GgufReader reader(bytes, file->name_);
    KEDGE_ASSIGN(file->version_, read_version(reader));
    KEDGE_ASSIGN(const uint64_t tensor_count, reader.number<uint64_t>("the tensor count"));
    KEDGE_ASSIGN(const uint64_t metadata_count, reader.number<uint64_t>("the metadata count"));
    KEDGE_TRY(read_metadata(reader, metadata_count, *file));
    KEDGE_TRY(read_tensors(reader, tensor_count, bytes, *file));
    return std::shared_ptr<const GgufFile>(std::move(file));
  }

 private:
  static Result<uint32_t> read_version(GgufReader& reader) {
    KEDGE_ASSIGN(const uint32_t magic, reader.number<uint32_t>("the magic number"));
    if (magic != kGgufMagic) {
      return corrupt(reader.file(),
                     fmt::format("begins with the bytes {:08x}, expected \"GGUF\" (47475546): not a GGUF "
                                 "file",
                                 __builtin_bswap32(magic)));
    }
    KEDGE_ASSIGN(const uint32_t version, reader.number<uint32_t>("the version"));
    if (version == 2 || version == 3) return version;
    const uint32_t swapped = __builtin_bswap32(version);
    if (swapped >= 1 && swapped <= 0xFFFF) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: big endian, expected little endian; convert the model again", reader.file())};
    }
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: GGUF version {}, expected 2 or 3; convert the model again", reader.file(), version)};
  }

  static Status read_metadata(GgufReader& reader, uint64_t count, GgufFile& file) {
    KEDGE_TRY(check_count(reader, "metadata", count, kMetadataEntryBytesMin, kGgufMetadataCountMax));
    for (uint64_t i = 0; i < count; ++i) {
      KEDGE_ASSIGN(const std::string_view key, reader.string("a metadata key", kGgufKeyBytesMax));
      const std::string label = "metadata key " + printable(key);
      KEDGE_ASSIGN(const uint32_t type, reader.number<uint32_t>(label));
      KEDGE_ASSIGN(GgufValue value, reader.value(type, label));
      if (!file.metadata_.emplace(key, std::move(value)).second) {
        return corrupt(reader.file(), label + " is there twice");
      }
    }
    return Done{};
  }

  static Status read_tensors(GgufReader& reader, uint64_t count, std::span<const std::byte> bytes, GgufFile& file) {
    KEDGE_TRY(check_count(reader, "tensor", count, kTensorEntryBytesMin, kTensorCountMax));
    KEDGE_ASSIGN(const uint64_t alignment, alignment_of(file));
    std::vector<Entry> entries;
    entries.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      KEDGE_ASSIGN(Entry entry, read_entry(reader));
      if (!file.index_.emplace(entry.tensor.name, entries.size()).second) {
        return corrupt_tensor(file.name_, entry.tensor.name, "is there twice");
      }
      entries.push_back(std::move(entry));
    }
    // A file without tensor data may end before the padding.
    const uint64_t data_begin = (reader.offset() + alignment - 1) / alignment * alignment;
    const std::span<const std::byte> data = data_begin <= bytes.size() ? bytes.subspan(data_begin) : bytes.last(0);
    for (const Entry& entry : entries) KEDGE_TRY(check_range(entry, data.size(), alignment, file.name_));
    KEDGE_TRY(check_overlap(entries, file.name_));
    file.tensors_.reserve(entries.size());
    for (Entry& entry : entries) {
      entry.tensor.data = data.subspan(entry.offset, entry.bytes);
      file.tensors_.push_back(std::move(entry.tensor));
    }
    return Done{};
  }

  static Result<uint64_t> alignment_of(const GgufFile& file) {
    const auto found = file.metadata_.find(kGgufAlignmentKey);
    if (found == file.metadata_.end()) return uint64_t{kGgufAlignmentDefault};
    const uint64_t* alignment = std::get_if<uint64_t>(&found->second.value);
    if (alignment == nullptr || !std::has_single_bit(*alignment) || *alignment > kGgufAlignmentMax) {
      return corrupt(file.name_, fmt::format("{} is {}, expected a power of two up to {}", kGgufAlignmentKey,
                                             alignment == nullptr ? std::string(gguf_value_name(found->second.type))
                                                                  : std::to_string(*alignment),
                                             kGgufAlignmentMax));
    }
    return *alignment;
  }
};

Result<std::shared_ptr<const GgufFile>> GgufFile::open(const std::filesystem::path& path) {
  KEDGE_ASSIGN(std::shared_ptr<const MappedFile> mapped, MappedFile::open(path));
  const std::span<const std::byte> bytes = mapped->bytes();
  return GgufParser::parse(bytes, path.string(), std::move(mapped));
}

Result<std::shared_ptr<const GgufFile>> GgufFile::parse(std::span<const std::byte> bytes, std::string_view name) {
  return GgufParser::parse(bytes, name, nullptr);
}

const TensorView* GgufFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace kedge::formats
