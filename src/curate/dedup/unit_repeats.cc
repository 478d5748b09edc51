// Sentences and paragraphs that stood before.
#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "core/file.h"
#include "curate/dedup/finders.h"
#include "curate/normal_forms.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

/// Bytes of the white space that a text begins with.
size_t space_at_begin(std::string_view text) {
  const std::u32string codes = to_codes(text);
  return to_utf8(CodeView(codes).substr(0, codes.size() - strip_left(codes).size())).size();
}

/// DataTrove's: what is left is stripped at its beginning, and a lone space behind the last sentence is no part of it
/// (spaCy's spans end before it). REQUIRES: there are cuts.
void trim_as_datatrove(std::string_view text, std::vector<ByteSpan>& cuts) {
  size_t at = 0, next = 0;
  for (bool more = true; more;) {
    if (next < cuts.size() && cuts[next].begin <= at) {
      at = std::max<size_t>(at, cuts[next++].end);
      continue;
    }
    const size_t limit = next < cuts.size() ? cuts[next].begin : text.size();
    at += space_at_begin(text.substr(at, limit - at));
    more = at == limit && at < text.size();
  }
  cuts.erase(cuts.begin(), cuts.begin() + static_cast<std::ptrdiff_t>(next));
  if (at > 0) cuts.insert(cuts.begin(), ByteSpan{0, static_cast<uint32_t>(at)});
  if (!text.ends_with(' ') || (!cuts.empty() && cuts.back().end == text.size())) return;
  const std::u32string end = to_codes(text.substr(text.size() - std::min<size_t>(text.size(), 8)));
  if (strip_right(end).size() + 1 != end.size()) return;
  const auto last = static_cast<uint32_t>(text.size());
  if (!cuts.empty() && cuts.back().end == last - 1) {
    cuts.back().end = last;
  } else {
    cuts.push_back({last - 1, last});
  }
}

std::vector<std::filesystem::path> hash_files_of(const std::filesystem::path& shard) {
  return {shard.string() + ".hashes"};
}

class UnitFinder final : public RepeatFinder {
 public:
  UnitFinder(const DedupOptions& options, std::filesystem::path folder)
      : options_(options), folder_(std::move(folder)), sorter_(folder_, options.memory_bytes) {}

  /// What earlier runs saw; hashes that are new will be added to it.
  Status use_index(std::string identity) {
    const std::string parameters =
        options_.method == DedupMethod::paragraph ? "paragraph" : fmt::format("sentence {}", options_.sentences);
    KEDGE_ASSIGN(IndexRuns index, IndexRuns::open(options_.index, {parameters, hash_files_of}, std::move(identity)));
    index_.emplace(std::move(index));
    for (const auto& shard : index_->earlier()) {
      KEDGE_ASSIGN(const auto file, MappedFile::open(hash_files_of(shard).front()));
      const auto bytes = file->bytes();
      if (bytes.size() % kHashBytes != 0) {
        return Error{ErrorKind::corrupt_data, file->path().string() + ": not a list of hashes"};
      }
      for (size_t at = 0; at < bytes.size(); at += kHashBytes) {
        KeyRecord record{.value = kOfIndex};
        std::memcpy(&record.high, &bytes[at], 8);
        std::memcpy(&record.low, &bytes[at + 8], 8);
        KEDGE_TRY(sorter_.add(record));
      }
    }
    return Done{};
  }

  [[nodiscard]] size_t passes() const override { return 1; }

  [[nodiscard]] std::vector<Mark> look(size_t, std::string_view text) const override {
    return options_.method == DedupMethod::paragraph ? paragraph_marks(text) : sentence_marks(text);
  }

  Status add(size_t, uint32_t document, std::span<const Mark> marks) override {
    documents_ = document + 1;
    for (const Mark& mark : marks) {
      KEDGE_TRY(sorter_.add({mark.high, mark.low, (uint64_t{document} + 1) << 32 | mark.index}));
    }
    return Done{};
  }

  Status end_pass(size_t) override {
    ranges_ = std::make_unique<MarkedRanges>(folder_, options_.memory_bytes, documents_);
    if (!index_ || index_->is_known()) {
      KEDGE_TRY(sorter_.runs([this](std::span<const KeyRecord> run) { return mark_repeats(run); }));
      return ranges_->finish();
    }
    const std::filesystem::path shard = index_->shard_path(0);
    KEDGE_ASSIGN(data::LineFile hashes, data::LineFile::create(hash_files_of(shard).front()));
    const auto mark_and_keep = [&](std::span<const KeyRecord> run) -> Status {
      if (run.front().value != kOfIndex) {
        std::array<char, kHashBytes> bytes{};
        std::memcpy(bytes.data(), &run.front().high, 8);
        std::memcpy(bytes.data() + 8, &run.front().low, 8);
        KEDGE_TRY(hashes.write(std::string_view(bytes.data(), bytes.size())));
      }
      return mark_repeats(run);
    };
    KEDGE_TRY(sorter_.runs(mark_and_keep));
    KEDGE_TRY(hashes.commit());
    KEDGE_TRY(index_->add({shard}));
    return ranges_->finish();
  }

  [[nodiscard]] Edit edit_of(uint32_t document, std::string_view text) const override {
    Edit edit;
    const auto ranges = ranges_->of(document);
    if (ranges.empty()) return edit;
    const bool paragraphs = options_.method == DedupMethod::paragraph;
    const std::vector<Unit> units = paragraphs ? paragraphs_of(text) : sentences_of(text);
    for (const auto& range : ranges) {
      for (uint32_t i = range.begin; i < range.end && i < units.size(); ++i) {
        const ByteSpan& bytes = units[i].bytes;
        if (!edit.cuts.empty() && edit.cuts.back().end == bytes.begin) {
          edit.cuts.back().end = bytes.end;
        } else {
          edit.cuts.push_back(bytes);
        }
      }
    }
    if (!paragraphs && !edit.cuts.empty()) trim_as_datatrove(text, edit.cuts);
    return edit;
  }

 private:
  Status mark_repeats(std::span<const KeyRecord> run) {
    size_t stays = 0;  // records of the index come first: what they have goes wherever it stands
    while (stays < run.size() && run[stays].value == kOfIndex) ++stays;
    if (stays == 0 && index_ && !index_->earlier().empty() && options_.only_in_index) return Done{};
    for (const KeyRecord& record : run.subspan(std::max<size_t>(stays, 1))) {
      const auto first = static_cast<uint32_t>(record.value);
      KEDGE_TRY(ranges_->add(static_cast<uint32_t>(record.value >> 32) - 1, first, first + width()));
    }
    return Done{};
  }
  [[nodiscard]] uint32_t width() const {
    return options_.method == DedupMethod::paragraph ? 1 : static_cast<uint32_t>(options_.sentences);
  }

  static std::vector<Mark> paragraph_marks(std::string_view text) {
    std::vector<Mark> marks;
    for (const Unit& unit : paragraphs_of(text)) {
      const uint64_t hash = ccnet_hash(unit.text);
      marks.push_back({hash, 0, static_cast<uint32_t>(marks.size())});
    }
    return marks;
  }

  [[nodiscard]] std::vector<Mark> sentence_marks(std::string_view text) const {
    const std::vector<Unit> units = sentences_of(text);
    std::vector<std::u32string> simple;
    simple.reserve(units.size());
    for (const Unit& unit : units) simple.push_back(simplify_text(unit.text));
    std::vector<Mark> marks;
    for (size_t i = 0; i + width() <= simple.size(); ++i) {
      std::u32string joined;
      for (size_t k = i; k < i + width(); ++k) {
        if (k > i) joined += U' ';
        joined += simple[k];
      }
      if (is_blank(joined)) continue;
      const XXH128_hash_t hash = XXH3_128bits(joined.data(), joined.size() * sizeof(char32_t));
      marks.push_back({hash.high64, hash.low64, static_cast<uint32_t>(i)});
    }
    return marks;
  }

  static constexpr uint64_t kOfIndex =
      0;  // a record's value; others' have their document's number + 1 in the upper half
  static constexpr size_t kHashBytes = 16;

  DedupOptions options_;
  std::filesystem::path folder_;
  std::optional<IndexRuns> index_;
  RecordSorter sorter_;
  uint32_t documents_ = 0;
  std::unique_ptr<MarkedRanges> ranges_;
};

}  // namespace

Result<std::unique_ptr<RepeatFinder>> make_unit_finder(const DedupOptions& options, const LinkPlace& place) {
  auto finder = std::make_unique<UnitFinder>(options, place.spill);
  if (!options.index.empty()) KEDGE_TRY(finder->use_index(place.identity));
  return std::unique_ptr<RepeatFinder>(std::move(finder));
}

}  // namespace kedge::curate
