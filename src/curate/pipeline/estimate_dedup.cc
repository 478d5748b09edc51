#include "curate/pipeline/estimate_dedup.h"

#include <algorithm>

#include "curate/annotate.h"
#include "curate/dedup/bloom_filter.h"
#include "curate/dedup/keys.h"
#include "curate/dedup/links.h"
#include "curate/dedup/record_sorter.h"
#include "curate/dedup/repeats.h"
#include "curate/dedup/vectors.h"

namespace kedge::curate {
namespace {

constexpr double kRecordBytes = sizeof(KeyRecord);
constexpr double kUnionBytes = 4, kRangeBytes = 12, kIdBytes = 16, kHashBytes = 16;
constexpr double kDimensionsAssumed = 1024;  // where embeddings are made by later stages

/// Of all files of an index that end so; 0 where there is none.
double bytes_in(const std::filesystem::path& index, std::string_view ending) {
  double bytes = 0;
  std::error_code code;
  if (index.empty()) return bytes;
  for (std::filesystem::recursive_directory_iterator entry(index, code), end; !code && entry != end;
       entry.increment(code)) {
    std::error_code gone;
    const auto size = entry->path().native().ends_with(ending) ? entry->file_size(gone) : 0;
    if (!gone) bytes += static_cast<double>(size);
  }
  return bytes;
}

/// Of records that are sorted: what is held, and what lies on disk where that is not all.
DedupNeed sorted_need(double records, uint64_t memory_bytes) {
  const double bytes = records * kRecordBytes;
  const auto room = static_cast<double>(memory_bytes);
  const double held = bytes <= room ? bytes : std::max(room, bytes / 256);
  return {static_cast<uint64_t>(held), bytes <= room ? 0 : static_cast<uint64_t>(bytes)};
}

DedupNeed keys_need(const SampledStage& sampled, const DedupOptions& options) {
  const size_t bands = KeyMaker(options).bands();
  const auto key_bytes = static_cast<double>(bands == 0 ? sizeof(TextHash) : sizeof(uint64_t) * bands);
  const double documents = sampled.documents + bytes_in(options.index, ".keys") / key_bytes;
  const double keys = (sampled.documents * (key_bytes + 8 + kIdBytes) + (options.verify ? 8 * sampled.words : 0)) *
                      (options.index.empty() ? 1 : 2);  // the index gets its own
  DedupNeed need{static_cast<uint64_t>(documents * (kUnionBytes + kLinkBytes)), static_cast<uint64_t>(keys)};
  if (documents * kLinkBytes <= static_cast<double>(options.memory_bytes)) return need;
  const DedupNeed sorted =
      sorted_need(documents * static_cast<double>(std::max<size_t>(bands, 1)), options.memory_bytes);
  return {static_cast<uint64_t>(documents * kUnionBytes) + sorted.memory_bytes, need.disk_bytes + sorted.disk_bytes};
}

struct Found {
  double marks = 0;  // of the pass with most
  double cuts = 0;
};

/// The method over the sample alone.
Result<Found> look_through(const SampledStage& sampled, const DedupOptions& options, WorkerPool& pool,
                           const std::stop_token& stop) {
  DedupOptions unsaved = options;
  unsaved.bloom.save.clear();
  unsaved.index.clear();
  if (unsaved.bloom.load.empty()) unsaved.bloom.expected = 0;  // a filter for these few
  KEDGE_ASSIGN(const auto finder, make_repeat_finder(unsaved, {sampled.output.parent_path(), {}}));
  const Job job{{sampled.output}, {}, sampled.fields, true};
  Found found;
  for (size_t pass = 0; pass < finder->passes(); ++pass) {
    double in_pass = 0;
    uint32_t document = 0;
    Visitor<std::vector<Mark>> visitor;
    visitor.work = [&](const data::Document& seen, std::vector<Mark>& marks) { marks = finder->look(pass, seen.text); };
    visitor.take = [&](const std::vector<Mark>& marks, data::Document&) {
      in_pass += static_cast<double>(marks.size());
      return finder->add(pass, document++, marks);
    };
    KEDGE_TRY(visit(job, visitor, pool, {}, stop));
    KEDGE_TRY(finder->end_pass(pass));
    found.marks = std::max(found.marks, in_pass);
  }
  uint32_t document = 0;
  Visitor<> visitor;
  visitor.take = [&](Nothing, data::Document& seen) -> Status {
    found.cuts += static_cast<double>(finder->edit_of(document++, seen.text).cuts.size());
    return Done{};
  };
  KEDGE_TRY(visit(job, visitor, pool, {}, stop));
  return found;
}

Result<DedupNeed> bloom_need(const Found& found, const SampledStage& sampled, const BloomOptions& bloom) {
  DedupNeed need;
  need.memory_bytes = static_cast<uint64_t>(sampled.documents / 8 + found.cuts * sampled.factor * kRangeBytes);
  if (!bloom.load.empty()) {
    std::error_code code;
    const auto size = std::filesystem::file_size(bloom.load, code);
    if (!code) need.memory_bytes += size;
  } else {
    const uint64_t entries = bloom.expected > 0 ? bloom.expected : static_cast<uint64_t>(found.marks * sampled.factor);
    KEDGE_ASSIGN(const double bits, bloom_bits(entries, bloom.false_positive_rate));
    need.memory_bytes += static_cast<uint64_t>(bits / 8);
  }
  if (!bloom.save.empty()) need.disk_bytes = need.memory_bytes;
  return need;
}

DedupNeed semantic_need(const SampledStage& sampled, const DedupOptions& options) {
  const auto shard = open_vectors(vector_files_of(sampled.output).vectors);
  const double row = (shard.ok() ? static_cast<double>(shard.value().dimensions) : kDimensionsAssumed) * sizeof(float);
  const double vectors = sampled.documents * row;
  const double middles = static_cast<double>(options.semantic.clusters) * row * 3;  // and their sums
  const double held = std::min(vectors, static_cast<double>(options.memory_bytes));
  return {static_cast<uint64_t>(sampled.documents * 24 + middles + held),
          static_cast<uint64_t>(vectors + sampled.documents * kIdBytes)};
}

}  // namespace

Result<DedupNeed> estimate_dedup(const SampledStage& sampled, const DedupOptions& options, WorkerPool& pool,
                                 const std::stop_token& stop) {
  if (options.method == DedupMethod::semantic) return semantic_need(sampled, options);
  if (!cuts_texts(options.method)) return keys_need(sampled, options);
  if (options.method == DedupMethod::tasks) return DedupNeed{static_cast<uint64_t>(sampled.documents * kUnionBytes), 0};
  KEDGE_ASSIGN(const Found found, look_through(sampled, options, pool, stop));
  if (options.method == DedupMethod::bloom) return bloom_need(found, sampled, options.bloom);
  const double seen = found.marks * sampled.factor;
  DedupNeed marks = sorted_need(seen + bytes_in(options.index, ".hashes") / kHashBytes, options.memory_bytes);
  if (!options.index.empty()) marks.disk_bytes += static_cast<uint64_t>(seen * kHashBytes);
  const double cuts = found.cuts * sampled.factor;
  const DedupNeed ranges = sorted_need(cuts, options.memory_bytes);
  return DedupNeed{std::max(marks.memory_bytes, ranges.memory_bytes) + static_cast<uint64_t>(cuts * kRangeBytes),
                   std::max(marks.disk_bytes, ranges.disk_bytes)};
}

}  // namespace kedge::curate
