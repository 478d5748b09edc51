// Documents and paragraphs that a Bloom filter has seen: DataTrove's SingleBloomFilter (runs of 13 words, dropped where
// more than .8 of them are known) and Dolma's by document and by paragraph.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <optional>

#include "curate/dedup/bloom_filter.h"
#include "curate/dedup/finders.h"
#include "curate/english/english_tokenizer.h"
#include "curate/normal_forms.h"

namespace kedge::curate {
namespace {

Mark mark_of(const void* bytes, size_t size, size_t index) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, size);
  return {hash.high64, hash.low64, static_cast<uint32_t>(index)};
}

std::vector<Mark> ngram_marks(std::string_view text, size_t count) {
  const std::u32string simple = simplify_text(to_codes(text));
  std::vector<uint64_t> words;
  for (const CodeView token : EnglishTokenizer::instance().tokenize(simple)) {
    const CodeView word = strip(token);
    if (!word.empty()) words.push_back(XXH3_64bits(word.data(), word.size() * sizeof(char32_t)));
  }
  std::vector<Mark> marks;
  for (size_t i = 0; i + count <= words.size(); ++i) {
    marks.push_back(mark_of(words.data() + i, count * sizeof(uint64_t), i));
  }
  return marks;
}

std::vector<Mark> paragraph_marks(std::string_view text) {
  std::vector<Mark> marks;
  for (const Unit& unit : paragraphs_of(text)) {
    marks.push_back(mark_of(unit.text.data(), unit.text.size() * sizeof(char32_t), marks.size()));
  }
  return marks;
}

class BloomFinder final : public RepeatFinder {
 public:
  BloomFinder(const DedupOptions& options, std::filesystem::path folder, std::optional<BloomFilter> filter)
      : options_(options), folder_(std::move(folder)), filter_(std::move(filter)) {}

  static BloomKind kind_of(const BloomOptions& bloom) {
    return {static_cast<uint32_t>(bloom.by), bloom.by == BloomBy::words ? static_cast<uint32_t>(bloom.words) : 0};
  }

  [[nodiscard]] size_t passes() const override { return counts_first_ ? 2 : 1; }

  [[nodiscard]] std::vector<Mark> look(size_t, std::string_view text) const override {
    switch (options_.bloom.by) {
      case BloomBy::words:
        return ngram_marks(text, options_.bloom.words);
      case BloomBy::paragraph:
        return paragraph_marks(text);
      case BloomBy::document:
        break;
    }
    return {mark_of(text.data(), text.size(), 0)};
  }

  Status add(size_t pass, uint32_t document, std::span<const Mark> marks) override {
    if (counts_first_ && pass == 0) {
      expected_ += marks.size();
      documents_ = document + 1;
      return Done{};
    }
    if (options_.bloom.by == BloomBy::paragraph) return add_paragraphs(document, marks);
    size_t known = 0;
    for (const Mark& mark : marks) known += filter_->contains(mark.high, mark.low) ? 1 : 0;
    const double share = options_.bloom.by == BloomBy::document ? 0 : options_.bloom.share;
    dropped_.push_back(static_cast<double>(known) > share * static_cast<double>(marks.size()));
    if (!dropped_.back()) insert(marks);
    return Done{};
  }

  Status end_pass(size_t pass) override {
    if (counts_first_ && pass == 0) {
      KEDGE_ASSIGN(BloomFilter filter,
                   BloomFilter::create(expected_, options_.bloom.false_positive_rate, kind_of(options_.bloom)));
      filter_.emplace(std::move(filter));
      return Done{};
    }
    if (ranges_) KEDGE_TRY(ranges_->finish());
    return options_.bloom.save.empty() ? Status(Done{}) : filter_->save(options_.bloom.save);
  }

  [[nodiscard]] Edit edit_of(uint32_t document, std::string_view text) const override {
    Edit edit;
    edit.drop = document < dropped_.size() && dropped_[document];
    if (!ranges_) return edit;
    const auto ranges = ranges_->of(document);
    if (ranges.empty()) return edit;
    const std::vector<Unit> units = paragraphs_of(text);
    for (const auto& range : ranges) {
      for (uint32_t i = range.begin; i < range.end && i < units.size(); ++i) edit.cuts.push_back(units[i].bytes);
    }
    return edit;
  }

 private:
  Status add_paragraphs(uint32_t document, std::span<const Mark> marks) {
    if (!ranges_) ranges_ = std::make_unique<MarkedRanges>(folder_, options_.memory_bytes, UINT32_MAX);
    for (const Mark& mark : marks) {
      if (filter_->contains(mark.high, mark.low)) KEDGE_TRY(ranges_->add(document, mark.index, mark.index + 1));
      insert({&mark, 1});
    }
    return Done{};
  }
  void insert(std::span<const Mark> marks) {
    if (options_.bloom.read_only) return;
    for (const Mark& mark : marks) {
      if (!filter_->contains(mark.high, mark.low)) filter_->insert(mark.high, mark.low);
    }
  }

  DedupOptions options_;
  std::filesystem::path folder_;
  std::optional<BloomFilter> filter_;
  bool counts_first_ = !filter_.has_value();
  uint64_t expected_ = 0;
  uint32_t documents_ = 0;
  std::vector<bool> dropped_;
  std::unique_ptr<MarkedRanges> ranges_;
};

}  // namespace

Result<std::unique_ptr<RepeatFinder>> make_bloom_finder(const DedupOptions& options,
                                                        const std::filesystem::path& folder) {
  const BloomOptions& bloom = options.bloom;
  std::optional<BloomFilter> filter;
  if (!bloom.load.empty()) {
    KEDGE_ASSIGN(filter, BloomFilter::load(bloom.load, BloomFinder::kind_of(bloom)));
  } else if (bloom.read_only) {
    return Error{ErrorKind::invalid_input, "a Bloom filter that is only read has to be loaded from a file"};
  } else if (bloom.expected > 0) {
    KEDGE_ASSIGN(filter, BloomFilter::create(bloom.expected, bloom.false_positive_rate, BloomFinder::kind_of(bloom)));
  }
  return std::unique_ptr<RepeatFinder>(std::make_unique<BloomFinder>(options, folder, std::move(filter)));
}

}  // namespace kedge::curate
