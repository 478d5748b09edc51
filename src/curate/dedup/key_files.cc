#include "curate/dedup/key_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace kedge::curate {
namespace {

std::string_view bytes_of(const std::vector<uint64_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(uint64_t)};
}

std::span<const uint64_t> numbers_in(const MappedFile& file) {
  return {reinterpret_cast<const uint64_t*>(file.bytes().data()), file.bytes().size() / sizeof(uint64_t)};
}

Result<ShardKeys> open_shard(const std::filesystem::path& output, size_t words) {
  const KeyFiles files = key_files_of(output);
  ShardKeys shard;
  KEDGE_ASSIGN(shard.keys, MappedFile::open(files.keys));
  KEDGE_ASSIGN(shard.offsets, MappedFile::open(files.offsets));
  KEDGE_ASSIGN(shard.shingles, MappedFile::open(files.shingles));
  KEDGE_ASSIGN(shard.ids, MappedFile::open(files.ids));
  const size_t count = shard.offsets->bytes().size() / sizeof(uint64_t);
  const auto ends = numbers_in(*shard.offsets);
  const bool whole = shard.keys->bytes().size() == count * words * sizeof(uint64_t) &&
                     std::is_sorted(ends.begin(), ends.end()) &&
                     (count == 0 ? 0 : ends.back()) == numbers_in(*shard.shingles).size();
  if (!whole || count > std::numeric_limits<uint32_t>::max()) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: keys do not fit together; remove what an earlier run left "
                                                      "(the folder `work`, or of the index) and run again",
                                                      files.keys.string())};
  }
  shard.count = static_cast<uint32_t>(count);
  return shard;
}

}  // namespace

KeyFiles key_files_of(const std::filesystem::path& output) {
  const auto beside = [&](const char* extension) {
    std::filesystem::path path = output;
    return path.replace_extension().replace_extension(extension);  // of .jsonl.zst
  };
  return {beside(".keys"), beside(".offsets"), beside(".shingles"), beside(".ids")};
}

Result<KeyWriter> KeyWriter::create(const std::filesystem::path& output) {
  const KeyFiles files = key_files_of(output);
  KEDGE_ASSIGN(data::LineFile keys, data::LineFile::create(files.keys));
  KEDGE_ASSIGN(data::LineFile offsets, data::LineFile::create(files.offsets));
  KEDGE_ASSIGN(data::LineFile shingles, data::LineFile::create(files.shingles));
  KEDGE_ASSIGN(data::LineFile ids, data::LineFile::create(files.ids));
  return KeyWriter(files, std::move(keys), std::move(offsets), std::move(shingles), std::move(ids));
}

Status KeyWriter::add(const DocumentKeys& keys, std::string_view id_json) {
  KEDGE_TRY(keys_.write(keys.bands.empty() ? bytes_of({keys.hash.high, keys.hash.low}) : bytes_of(keys.bands)));
  KEDGE_TRY(shingles_.write(bytes_of(keys.shingles)));
  shingle_count_ += keys.shingles.size();
  KEDGE_TRY(offsets_.write(bytes_of({shingle_count_})));
  KEDGE_TRY(ids_.write(id_json));
  return ids_.write("\n");
}

Result<std::vector<data::WrittenFile>> KeyWriter::commit() {
  std::vector<data::WrittenFile> written;
  const auto commit = [&](data::LineFile& file, const std::filesystem::path& path) -> Status {
    KEDGE_TRY(file.commit());
    written.push_back({path.filename().string(), file.bytes(), file.checksum()});
    return Done{};
  };
  KEDGE_TRY(commit(keys_, files_.keys));
  KEDGE_TRY(commit(offsets_, files_.offsets));
  KEDGE_TRY(commit(shingles_, files_.shingles));
  KEDGE_TRY(commit(ids_, files_.ids));
  return written;
}

Result<std::unique_ptr<MappedKeys>> MappedKeys::open(const std::vector<std::filesystem::path>& outputs, size_t words) {
  auto all = std::unique_ptr<MappedKeys>(new MappedKeys(words));
  uint64_t count = 0;
  for (const auto& output : outputs) {
    KEDGE_ASSIGN(ShardKeys shard, open_shard(output, words));
    shard.first = static_cast<uint32_t>(count);
    count += shard.count;
    if (count > std::numeric_limits<uint32_t>::max()) {
      return Error{ErrorKind::unsupported, "more than 4 billion documents in one deduplication"};
    }
    all->shards_.push_back(std::move(shard));
  }
  all->count_ = static_cast<uint32_t>(count);
  return all;
}

TextHash MappedKeys::hash(uint32_t document) const {
  const auto numbers = keys_of(document);
  return {numbers[0], numbers[1]};
}

std::span<const uint64_t> MappedKeys::shingles(uint32_t document) const {
  const ShardKeys& shard = shard_of(document);
  const auto ends = numbers_in(*shard.offsets);
  const uint32_t local = document - shard.first;
  const uint64_t begin = local == 0 ? 0 : ends[local - 1];
  return numbers_in(*shard.shingles).subspan(begin, ends[local] - begin);
}

void MappedKeys::let_go() const {
  for (const ShardKeys& shard : shards_) {
    for (const auto& file : {shard.keys, shard.offsets, shard.shingles}) file->forget(file->bytes());
  }
}

const ShardKeys& MappedKeys::shard_of(uint32_t document) const {
  const auto after = std::upper_bound(shards_.begin(), shards_.end(), document,
                                      [](uint32_t d, const ShardKeys& shard) { return d < shard.first; });
  auto found = std::prev(after);
  while (found->count == 0 || document - found->first >= found->count) --found;  // shards without documents
  return *found;
}

std::span<const uint64_t> MappedKeys::keys_of(uint32_t document) const {
  const ShardKeys& shard = shard_of(document);
  return numbers_in(*shard.keys).subspan((document - shard.first) * words_, words_);
}

Result<Ids> MappedKeys::ids_of(const Clusters& clusters) const {
  std::vector<bool> wanted(count_);
  for (const uint32_t member : clusters.members()) wanted[member] = true;
  Ids ids;
  for (const ShardKeys& shard : shards_) {
    const auto bytes = shard.ids->bytes();
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (uint32_t i = 0; i < shard.count; ++i) {
      const size_t newline = text.find('\n');
      if (newline == std::string_view::npos) {
        return Error{ErrorKind::corrupt_data, shard.ids->path().string() + ": fewer ids than documents"};
      }
      if (wanted[shard.first + i]) ids.emplace(shard.first + i, text.substr(0, newline));
      text.remove_prefix(newline + 1);
    }
  }
  return ids;
}

}  // namespace kedge::curate
