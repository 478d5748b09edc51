// Hash tables of KenLM's: one for the words, one for each length of runs.
#include <cmath>

#include "curate/perplexity/kenlm_bytes.h"
#include "curate/perplexity/kenlm_search.h"

namespace kedge::curate::kenlm {
namespace {

constexpr uint64_t kVocabularyHeaderBytes = 8, kWordEntryBytes = 12, kLongestEntryBytes = 12;
constexpr uint32_t kVocabularyVersion = 0;
constexpr uint32_t kSign = 0x80000000;

uint64_t join(uint64_t hash, uint32_t word) {
  return hash * 8978948897894561157ULL ^ (uint64_t{1} + word) * 17894857484156487943ULL;
}

class ProbingSearch final : public Search {
 public:
  /// Weights of a run: probability, back-off and, in the other kind, what it would be alone.
  Status open(const Header& header, std::string_view bytes, uint64_t begin, const std::string& name) {
    weight_bytes_ = header.kind == Kind::probing_with_rests ? 12 : 8;
    uint64_t at = begin;
    const auto take = [&](uint64_t size) -> Result<std::string_view> {
      if (size > bytes.size() - std::min<uint64_t>(at, bytes.size())) return too_short(name, bytes.size(), at + size);
      at += size;
      return bytes.substr(at - size, size);
    };
    KEDGE_ASSIGN(const std::string_view vocabulary, take(kVocabularyHeaderBytes));
    if (const auto version = load<uint32_t>(vocabulary, 0); version != kVocabularyVersion) {
      return Error{ErrorKind::unsupported, name + ": KenLM's words of another version, expected version 0"};
    }
    const std::vector<uint64_t>& counts = header.counts;
    const auto table_bytes = [&](size_t n, uint64_t entry_bytes) {
      return ProbedTable::bytes_for(counts[n - 1], header.multiplier, entry_bytes);
    };
    KEDGE_ASSIGN(const std::string_view words, take(table_bytes(1, kWordEntryBytes)));
    words_ = ProbedTable(words, kWordEntryBytes);
    word_count_ = counts[0] + 1;  // one more for <unk>, which the counts may leave out
    KEDGE_ASSIGN(unigrams_, take(word_count_ * weight_bytes_));
    for (size_t n = 2; n < counts.size(); ++n) {
      KEDGE_ASSIGN(const std::string_view middle, take(table_bytes(n, sizeof(uint64_t) + weight_bytes_)));
      middles_.emplace_back(middle, sizeof(uint64_t) + weight_bytes_);
    }
    KEDGE_ASSIGN(const std::string_view longest, take(table_bytes(counts.size(), kLongestEntryBytes)));
    longest_ = ProbedTable(longest, kLongestEntryBytes);
    return Done{};
  }

  [[nodiscard]] uint32_t word(std::string_view text) const override {
    const auto found = words_.find(hash_of_word(text));
    if (!found) return 0;
    const auto id = load<uint32_t>(*found, 0);
    return id < word_count_ ? id : 0;
  }

  [[nodiscard]] Found unigram(uint32_t word, Node& node) const override {
    node.begin = word;
    return weights_of(unigrams_.substr(word * weight_bytes_, weight_bytes_));
  }

  [[nodiscard]] bool middle(size_t length, uint32_t word, Node& node, Found& found) const override {
    node.begin = join(node.begin, word);
    const auto entry = middles_[length - 2].find(node.begin);
    if (entry) found = weights_of(*entry);
    return entry.has_value();
  }

  [[nodiscard]] bool longest(uint32_t word, const Node& node, float& probability) const override {
    const auto entry = longest_.find(join(node.begin, word));
    if (entry) probability = load<float>(*entry, 0);
    return entry.has_value();
  }

 private:
  /// The sign, which every logarithm of a probability has, says instead that no longer run ends so.
  static Found weights_of(std::string_view weights) {
    const auto bits = load<uint32_t>(weights, 0);
    return {to_float(bits | kSign), load<float>(weights, sizeof(float)), (bits & kSign) != 0};
  }

  uint64_t weight_bytes_ = 8, word_count_ = 0;
  ProbedTable words_, longest_;
  std::string_view unigrams_;
  std::vector<ProbedTable> middles_;
};

}  // namespace

uint64_t hash_of_word(std::string_view word) {
  constexpr uint64_t kMultiplier = 0xC6A4A7935BD1E995U;
  constexpr unsigned kShift = 47;
  uint64_t hash = word.size() * kMultiplier;
  for (; word.size() >= sizeof(uint64_t); word.remove_prefix(sizeof(uint64_t))) {
    uint64_t part = load<uint64_t>(word, 0) * kMultiplier;
    part ^= part >> kShift;
    hash = (hash ^ part * kMultiplier) * kMultiplier;
  }
  if (!word.empty()) {
    uint64_t rest = 0;
    std::memcpy(&rest, word.data(), word.size());
    hash = (hash ^ rest) * kMultiplier;
  }
  hash = (hash ^ hash >> kShift) * kMultiplier;
  return hash ^ hash >> kShift;
}

Result<std::unique_ptr<Search>> open_probing(const Header& header, std::string_view bytes, uint64_t begin,
                                             const std::string& name) {
  auto search = std::make_unique<ProbingSearch>();
  KEDGE_TRY(search->open(header, bytes, begin, name));
  return std::unique_ptr<Search>(std::move(search));
}

}  // namespace kedge::curate::kenlm
