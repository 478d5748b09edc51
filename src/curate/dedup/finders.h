#pragma once
// The ways in which parts that repeat are found, and what they share.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "curate/dedup/record_sorter.h"
#include "curate/dedup/repeats.h"

namespace kedge::curate {

/// DataTrove's SentenceDedup (runs of sentences of its simplified text), or CCNet's paragraphs. One pass. Fails as
/// IndexRuns::open does.
Result<std::unique_ptr<RepeatFinder>> make_unit_finder(const DedupOptions& options, const LinkPlace& place);
/// Lee et al. 2022 over bytes of UTF-8: whatever stood before for `length` bytes. Two passes.
std::unique_ptr<RepeatFinder> make_substring_finder(const DedupOptions& options, const std::filesystem::path& folder);

/// What a Bloom filter has seen, in the order of the documents. One pass, or two where entries are counted first. Fails
/// as BloomFilter::load and create do.
Result<std::unique_ptr<RepeatFinder>> make_bloom_finder(const DedupOptions& options,
                                                        const std::filesystem::path& folder);

/// Ranges of indices within documents, sorted and merged. In memory: 16 bytes each when they are merged.
class MarkedRanges {
 public:
  /// `documents` and what is spilled, as for RecordSorter.
  MarkedRanges(const std::filesystem::path& folder, uint64_t memory_bytes, uint32_t documents);
  Status add(uint32_t document, uint32_t begin, uint32_t end);
  Status finish();
  struct Range {
    uint32_t document, begin, end;
  };
  [[nodiscard]] std::span<const Range> of(uint32_t document) const;

 private:
  RecordSorter sorter_;
  std::vector<Range> ranges_;
};

}  // namespace kedge::curate
