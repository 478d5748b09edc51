#include "curate/decontaminate/decontaminate.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "curate/decontaminate/alignment.h"
#include "curate/filters/score.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

constexpr size_t kNgramMin = 8;
constexpr size_t kNgramMax = 13;
constexpr size_t kSeedWords = 3;
constexpr size_t kSeedItemsMax = 20;  // a run that more questions share says nothing about any
constexpr size_t kSlackWords = 8;
constexpr size_t kWindowsMax = 64;  // of one item in one document
constexpr double kScoreMin = 5.5;
constexpr double kScoreEnough = 11;

/// Words [begin, end) of a document that are an item's.
struct Hit {
  size_t begin, end;
};
using Hits = std::map<uint32_t, Hit>;  // by item

uint64_t run_hash(const std::vector<uint64_t>& words, size_t begin, size_t count) {
  return XXH3_64bits(words.data() + begin, count * sizeof(uint64_t));
}

void add_hit(Hits& hits, uint32_t item, Hit hit) {
  const auto [found, added] = hits.emplace(item, hit);
  if (added) return;
  // Parts of one question that stand together are one match; a second copy further on is left to the first.
  if (hit.begin <= found->second.end) found->second.end = std::max(found->second.end, hit.end);
}

class Decontamination final : public Operator {
 public:
  Decontamination(std::vector<EvaluationItem> items, DecontaminationMode mode) : items_(std::move(items)), mode_(mode) {
    for (uint32_t i = 0; i < items_.size(); ++i) {
      const std::vector<uint64_t>& words = items_[i].words;
      if (words.size() < kNgramMin) continue;
      const size_t length = std::min(words.size(), kNgramMax);
      lengths_.insert(length);
      for (size_t k = 0; k + length <= words.size(); ++k) ngrams_[run_hash(words, k, length)].push_back(i);
      for (size_t k = 0; k + kSeedWords <= words.size(); ++k) {
        seeds_[run_hash(words, k, kSeedWords)].push_back({i, static_cast<uint32_t>(k)});
      }
    }
    std::erase_if(seeds_, [](const auto& entry) { return entry.second.size() > kSeedItemsMax; });
  }

  void annotate(const data::Document& document, std::string& line) const override {
    const std::u32string codes = to_codes(document.text);
    const WordPlaces places = place_words(codes);
    Hits hits;
    find_ngrams(places.words, hits);
    if (mode_ == DecontaminationMode::fuzzy) find_similar(places.words, hits);
    std::vector<std::pair<Hit, uint32_t>> ordered;
    for (const auto& [item, hit] : hits) ordered.emplace_back(hit, item);
    std::stable_sort(ordered.begin(), ordered.end(),
                     [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
    open_line(line, document.id_json);
    append_key(line, "contaminated");
    append_bool(line, !ordered.empty());
    append_key(line, "matches");
    line += '[';
    for (const auto& [hit, item] : ordered) append_match(line, items_[item], places, hit);
    line += "]}";
  }

 private:
  struct Seed {
    uint32_t item, position;
  };

  static void append_match(std::string& line, const EvaluationItem& item, const WordPlaces& places, const Hit& hit) {
    if (line.back() != '[') line += ',';
    line += '{';
    append_key(line, "item");
    line += item.id_json;
    append_key(line, "start");
    data::append_json_number(line, static_cast<int64_t>(places.begins[hit.begin]));
    append_key(line, "end");
    data::append_json_number(line, static_cast<int64_t>(places.ends[hit.end - 1]));
    line += '}';
  }

  void find_ngrams(const std::vector<uint64_t>& words, Hits& hits) const {
    for (const size_t length : lengths_) {
      for (size_t i = 0; i + length <= words.size(); ++i) {
        const auto found = ngrams_.find(run_hash(words, i, length));
        if (found == ngrams_.end()) continue;
        for (const uint32_t item : found->second) add_hit(hits, item, {i, i + length});
      }
    }
  }

  /// Three words in a row that are an item's show where to look; the alignment decides.
  void find_similar(const std::vector<uint64_t>& words, Hits& hits) const {
    std::unordered_map<uint32_t, std::vector<size_t>> origins;  // by item: where its first word would stand
    for (size_t i = 0; i + kSeedWords <= words.size(); ++i) {
      const auto found = seeds_.find(run_hash(words, i, kSeedWords));
      if (found == seeds_.end()) continue;
      for (const Seed& seed : found->second) origins[seed.item].push_back(i - std::min<size_t>(i, seed.position));
    }
    for (auto& [item, starts] : origins) {
      if (starts.size() < 2 || hits.contains(item)) continue;
      std::sort(starts.begin(), starts.end());
      align_at(words, item, starts, hits);
    }
  }

  void align_at(const std::vector<uint64_t>& words, uint32_t item, const std::vector<size_t>& starts,
                Hits& hits) const {
    const std::vector<uint64_t>& pattern = items_[item].words;
    const double enough = std::clamp(0.5 * static_cast<double>(pattern.size()), kScoreMin, kScoreEnough);
    size_t windows = 0;
    for (size_t i = 0; i < starts.size() && windows < kWindowsMax; ++windows) {
      const size_t begin = starts[i] - std::min(starts[i], kSlackWords);
      const size_t end = std::min(words.size(), starts[i] + pattern.size() + 2 * kSlackWords);
      const size_t first = i;
      while (i < starts.size() && starts[i] <= starts[first] + kSlackWords) ++i;
      const Agreement agreement = align(pattern, std::span(words).subspan(begin, end - begin));
      if (agreement.score < enough) continue;
      add_hit(hits, item, {begin + agreement.begin, begin + agreement.end});
      return;
    }
  }

  std::vector<EvaluationItem> items_;
  DecontaminationMode mode_;
  std::set<size_t> lengths_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> ngrams_;
  std::unordered_map<uint64_t, std::vector<Seed>> seeds_;
};

}  // namespace

std::unique_ptr<Operator> make_decontamination(std::vector<EvaluationItem> items, DecontaminationMode mode) {
  return std::make_unique<Decontamination>(std::move(items), mode);
}

}  // namespace kedge::curate
