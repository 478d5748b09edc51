#include "curate/dedup/vectors.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "curate/dedup/dot.h"

namespace kedge::curate {
namespace {

constexpr size_t kPieceBytes = size_t{16} << 20;
constexpr uint64_t kMagic = 0x31434556'4547444BULL;  // "KDGEVEC1"
using Footer = std::array<uint64_t, 4>;              // dimensions, documents, checksum, magic

std::string_view bytes_of(const auto& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(*values.data())};
}

Error damaged(const std::filesystem::path& path, std::string_view what) {
  return {ErrorKind::corrupt_data,
          fmt::format("{}: {}, expected a file of embeddings; remove what an earlier run left", path.string(), what)};
}

/// As LineFile has it; holds little of the file at once.
uint64_t checksum_of(const MappedFile& file, std::span<const std::byte> bytes) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(kPieceBytes, bytes.size()))) {
    const auto piece = bytes.first(std::min(kPieceBytes, bytes.size()));
    XXH3_64bits_update(&state, piece.data(), piece.size());
    file.forget(piece);
  }
  return XXH3_64bits_digest(&state);
}

Result<std::vector<float>> numbers_of(std::string_view line, const std::string& field) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array numbers;
  std::vector<float> vector;
  if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS) return vector;
  if (root[field].get(numbers) != simdjson::SUCCESS) return vector;
  for (const simdjson::dom::element& number : numbers) {
    double value = 0;
    if (number.get(value) != simdjson::SUCCESS || vector.size() == kDimensionsMax) return std::vector<float>();
    vector.push_back(static_cast<float>(value));
  }
  return vector;
}

}  // namespace

Result<std::vector<float>> VectorSource::vector_of(std::string_view text, std::string_view line) const {
  return model != nullptr ? model->embedding(text) : numbers_of(line, field);
}

bool normalize(std::span<float> vector) {
  const float length = std::sqrt(dot(vector.data(), vector.data(), vector.size()));
  if (!std::isfinite(length) || length == 0) return false;
  for (float& number : vector) number /= length;
  return true;
}

VectorFiles vector_files_of(const std::filesystem::path& output) {
  std::filesystem::path path = output;
  path.replace_extension().replace_extension(".vectors");  // of .jsonl.zst
  return {path, key_files_of(output).ids};
}

Result<VectorWriter> VectorWriter::create(const std::filesystem::path& output) {
  const VectorFiles files = vector_files_of(output);
  KEDGE_ASSIGN(data::LineFile vectors, data::LineFile::create(files.vectors));
  KEDGE_ASSIGN(data::LineFile ids, data::LineFile::create(files.ids));
  return VectorWriter(std::move(vectors), std::move(ids));
}

Status VectorWriter::add(std::span<const float> vector, const std::string& id_json) {
  if (dimensions_ == 0 && !vector.empty()) {
    dimensions_ = vector.size();
    const std::vector<float> none(dimensions_);
    for (uint64_t i = 0; i < count_; ++i) KEDGE_TRY(vectors_.write(bytes_of(none)));
  }
  if (!vector.empty() && vector.size() != dimensions_) {
    return Error{ErrorKind::invalid_input, fmt::format("id {}: found an embedding of {} numbers, expected {} as before",
                                                       id_json, vector.size(), dimensions_)};
  }
  ++count_;
  KEDGE_TRY(vectors_.write(vector.empty() ? bytes_of(std::vector<float>(dimensions_)) : bytes_of(vector)));
  return ids_.write(id_json + "\n");
}

Status VectorWriter::commit() {
  KEDGE_TRY(vectors_.flush());
  const Footer footer = {dimensions_, count_, vectors_.checksum(), kMagic};
  KEDGE_TRY(vectors_.write(bytes_of(footer)));
  KEDGE_TRY(vectors_.commit());
  return ids_.commit();
}

Result<MappedVectors::Shard> open_vectors(const std::filesystem::path& path) {
  MappedVectors::Shard shard;
  KEDGE_ASSIGN(shard.vectors, MappedFile::open(path));
  const auto bytes = shard.vectors->bytes();
  Footer footer{};
  if (bytes.size() < sizeof footer) return damaged(path, fmt::format("found {} bytes", bytes.size()));
  std::memcpy(footer.data(), bytes.data() + bytes.size() - sizeof footer, sizeof footer);
  const auto [dimensions, count, sum, magic] = footer;
  if (magic != kMagic) return damaged(path, "does not end as one");
  if (dimensions > kDimensionsMax || count > std::numeric_limits<uint32_t>::max() ||
      dimensions * count * sizeof(float) != bytes.size() - sizeof footer) {
    return damaged(path, fmt::format("found {} rows of {} numbers in {} bytes", count, dimensions, bytes.size()));
  }
  if (checksum_of(*shard.vectors, bytes.first(bytes.size() - sizeof footer)) != sum) {
    return damaged(path, "is not what was written there");
  }
  if (std::FILE* const stream = std::fopen(path.c_str(), "rbe")) shard.stream = {stream, std::fclose};
  shard.dimensions = dimensions;
  shard.count = static_cast<uint32_t>(count);
  return shard;
}

Result<std::unique_ptr<MappedVectors>> MappedVectors::open(const std::vector<std::filesystem::path>& outputs) {
  auto all = std::make_unique<MappedVectors>();
  uint64_t count = 0;
  for (const auto& output : outputs) {
    const VectorFiles files = vector_files_of(output);
    KEDGE_ASSIGN(Shard shard, open_vectors(files.vectors));
    KEDGE_ASSIGN(shard.ids, MappedFile::open(files.ids));
    if (all->dimensions_ == 0) all->dimensions_ = shard.dimensions;
    if (shard.dimensions != 0 && shard.dimensions != all->dimensions_) {
      return Error{ErrorKind::invalid_input, fmt::format("{}: found embeddings of {} numbers, expected {} as before",
                                                         files.vectors.string(), shard.dimensions, all->dimensions_)};
    }
    shard.first = static_cast<uint32_t>(count);
    count += shard.count;
    if (count > std::numeric_limits<uint32_t>::max()) {
      return Error{ErrorKind::unsupported, "more than 4 billion documents in one deduplication"};
    }
    all->shards_.push_back(std::move(shard));
  }
  all->count_ = static_cast<uint32_t>(count);
  all->zeros_.resize(all->dimensions_);
  return all;
}

const MappedVectors::Shard& MappedVectors::shard_of(uint32_t document) const {
  const auto after = std::upper_bound(shards_.begin(), shards_.end(), document,
                                      [](uint32_t d, const Shard& shard) { return d < shard.first; });
  auto found = std::prev(after);
  while (document - found->first >= found->count) --found;  // shards without documents
  return *found;
}

const float* MappedVectors::row(uint32_t document) const {
  const Shard& shard = shard_of(document);
  if (shard.dimensions == 0) return zeros_.data();
  return reinterpret_cast<const float*>(shard.vectors->bytes().data()) + (document - shard.first) * dimensions_;
}

void MappedVectors::copy(uint32_t document, float* to) const {
  const Shard& shard = shard_of(document);
  const size_t bytes = dimensions_ * sizeof(float);
  const auto at = static_cast<off_t>((document - shard.first) * bytes);
  const bool read = shard.dimensions > 0 && shard.stream != nullptr &&
                    ::pread(::fileno(shard.stream.get()), to, bytes, at) == static_cast<ssize_t>(bytes);
  if (!read) std::copy_n(row(document), dimensions_, to);
}

void MappedVectors::let_go() const {
  for (const Shard& shard : shards_) shard.vectors->forget(shard.vectors->bytes());
}

Status MappedVectors::each_id(const TakeId& take) const {
  for (const Shard& shard : shards_) {
    const auto bytes = shard.ids->bytes();
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (uint32_t i = 0; i < shard.count; ++i) {
      const size_t newline = text.find('\n');
      if (newline == std::string_view::npos) {
        return Error{ErrorKind::corrupt_data, shard.ids->path().string() + ": fewer ids than embeddings"};
      }
      KEDGE_TRY(take(shard.first + i, text.substr(0, newline)));
      text.remove_prefix(newline + 1);
    }
    shard.ids->forget(bytes);
  }
  return Done{};
}

Result<Ids> MappedVectors::ids_of(const std::vector<bool>& wanted) const {
  Ids ids;
  KEDGE_TRY(each_id([&](uint32_t document, std::string_view id) -> Status {
    if (wanted[document]) ids.emplace(document, id);
    return Done{};
  }));
  return ids;
}

}  // namespace kedge::curate
