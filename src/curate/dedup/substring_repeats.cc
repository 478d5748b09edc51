// Exact substrings. A window of `length` bytes that occurs twice has the same anchor in both places: the least hash of
// the pieces in it (winnowing, Schleimer et al. 2003). The first pass counts anchors; the second keeps hashes of the
// windows whose anchor occurs more than once, so that text which repeats nothing costs little. No suffix array: that
// takes 9 bytes of memory a byte of text.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <deque>

#include "curate/dedup/finders.h"

namespace kedge::curate {
namespace {

constexpr uint64_t kBase = 0x9E3779B97F4A7C15ULL;

uint64_t mixed(uint64_t hash) {
  hash = (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93ULL;
  return hash ^ (hash >> 32);
}

/// Hashes of all pieces of `size` bytes.
std::vector<uint64_t> piece_hashes(std::string_view text, size_t size) {
  std::vector<uint64_t> hashes;
  if (text.size() < size) return hashes;
  hashes.reserve(text.size() - size + 1);
  uint64_t leaving = 1;
  for (size_t i = 1; i < size; ++i) leaving *= kBase;
  const auto spread = [](char c) { return (uint64_t{static_cast<unsigned char>(c)} + 1) * 0xD6E8FEB86659FD93ULL; };
  uint64_t rolling = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i >= size) rolling -= leaving * spread(text[i - size]);
    rolling = rolling * kBase + spread(text[i]);
    if (i + 1 >= size) hashes.push_back(mixed(rolling));
  }
  return hashes;
}

/// For each window of `width` hashes the index of the least, the first of equal ones.
std::vector<uint32_t> window_minima(const std::vector<uint64_t>& hashes, size_t width) {
  std::vector<uint32_t> minima;
  std::deque<uint32_t> rising;  // indices whose hashes rise
  for (uint32_t i = 0; i < hashes.size(); ++i) {
    while (!rising.empty() && hashes[rising.back()] > hashes[i]) rising.pop_back();
    rising.push_back(i);
    if (i + 1 < width) continue;
    while (rising.front() + width <= i) rising.pop_front();
    minima.push_back(rising.front());
  }
  return minima;
}

class SubstringFinder final : public RepeatFinder {
 public:
  SubstringFinder(const DedupOptions& options, std::filesystem::path folder)
      : length_(options.length),
        piece_(std::min<size_t>(32, options.length / 2)),
        memory_bytes_(options.memory_bytes),
        folder_(std::move(folder)),
        sorter_(std::make_unique<RecordSorter>(folder_, memory_bytes_)) {}

  [[nodiscard]] size_t passes() const override { return 2; }

  [[nodiscard]] std::vector<Mark> look(size_t pass, std::string_view text) const override {
    const std::vector<uint64_t> hashes = piece_hashes(text, piece_);
    const std::vector<uint32_t> minima = window_minima(hashes, length_ - piece_ + 1);
    std::vector<Mark> marks;
    if (pass == 0) {
      for (size_t i = 0; i < minima.size(); ++i) {
        if (i == 0 || minima[i] != minima[i - 1]) marks.push_back({hashes[minima[i]], 0, minima[i]});
      }
      return marks;
    }
    bool repeats = false;
    for (size_t i = 0; i < minima.size(); ++i) {
      if (i == 0 || minima[i] != minima[i - 1]) repeats = std::ranges::binary_search(anchors_, hashes[minima[i]]);
      if (!repeats) continue;
      const XXH128_hash_t hash = XXH3_128bits(text.data() + i, length_);
      marks.push_back({hash.high64, hash.low64, static_cast<uint32_t>(i)});
    }
    return marks;
  }

  Status add(size_t, uint32_t document, std::span<const Mark> marks) override {
    documents_ = document + 1;
    for (const Mark& mark : marks) {
      KEDGE_TRY(sorter_->add({mark.high, mark.low, uint64_t{document} << 32 | mark.index}));
    }
    return Done{};
  }

  Status end_pass(size_t pass) override {
    if (pass == 0) {
      KEDGE_TRY(sorter_->runs([this](std::span<const KeyRecord> run) -> Status {
        if (run.size() > 1) anchors_.push_back(run[0].high);  // they come sorted
        return Done{};
      }));
      sorter_ = std::make_unique<RecordSorter>(folder_, memory_bytes_);
      return Done{};
    }
    ranges_ = std::make_unique<MarkedRanges>(folder_, memory_bytes_, documents_);
    KEDGE_TRY(sorter_->runs([this](std::span<const KeyRecord> run) { return mark_repeats(run); }));
    return ranges_->finish();
  }

  [[nodiscard]] Edit edit_of(uint32_t document, std::string_view text) const override {
    const auto inside = [&](size_t at) { return at < text.size() && (text[at] & 0xC0) == 0x80; };
    Edit edit;
    for (const auto& range : ranges_->of(document)) {
      ByteSpan cut{range.begin, range.end};
      while (cut.begin < cut.end && inside(cut.begin)) ++cut.begin;
      while (cut.end > cut.begin && inside(cut.end)) --cut.end;
      if (cut.begin < cut.end) edit.cuts.push_back(cut);
    }
    return edit;
  }

 private:
  /// All but the first window of a run; of one that overlaps the first, only what lies beyond it.
  Status mark_repeats(std::span<const KeyRecord> run) {
    const uint64_t first = run[0].value;
    for (const KeyRecord& record : run.subspan(1)) {
      const auto begin = static_cast<uint32_t>(record.value);
      const auto document = static_cast<uint32_t>(record.value >> 32);
      const uint64_t kept_end = document == first >> 32 ? static_cast<uint32_t>(first) + uint64_t{length_} : 0;
      const auto from = static_cast<uint32_t>(std::max<uint64_t>(begin, kept_end));
      KEDGE_TRY(ranges_->add(document, from, begin + static_cast<uint32_t>(length_)));
    }
    return Done{};
  }

  size_t length_, piece_;
  uint64_t memory_bytes_;
  std::filesystem::path folder_;
  std::unique_ptr<RecordSorter> sorter_;
  std::vector<uint64_t> anchors_;  // that occur more than once
  uint32_t documents_ = 0;
  std::unique_ptr<MarkedRanges> ranges_;
};

}  // namespace

std::unique_ptr<RepeatFinder> make_substring_finder(const DedupOptions& options, const std::filesystem::path& folder) {
  return std::make_unique<SubstringFinder>(options, folder);
}

}  // namespace kedge::curate
