// KenLM's tries: a sorted list of hashes of words, and packed tables of runs, each with the range of the runs that have
// one more word before it (Heafield 2011). Probabilities may be numbers of bins, ranges may have their upper bits in an
// array (Raj and Whittaker 2003).
#include <fmt/format.h>

#include <array>
#include <limits>

#include "curate/perplexity/kenlm_bytes.h"
#include "curate/perplexity/kenlm_search.h"

namespace kedge::curate::kenlm {
namespace {

constexpr uint64_t kUnigramBytes = 16;  // probability, back-off, where the runs before it begin
constexpr uint64_t kPaddingBytes = 8;   // behind a packed table, so that 8 bytes may be read anywhere
constexpr unsigned kProbabilityBits = 31, kBackoffBits = 32, kBinBitsMax = 25;
constexpr uint8_t kBinsVersion = 2, kArrayVersion = 0;
constexpr uint32_t kSign = 0x80000000;

/// Bits of a packed table's pointers that lie in an array, and those that stay.
struct Pointers {
  unsigned inline_bits = 0;
  std::string_view uppers;  // of 64 bits: the first entry whose pointer has at least these upper bits
  bool compressed = false;
};

/// Of a table's entries and its last pointer; as KenLM weighs the array against what it saves.
unsigned chopped_bits(uint64_t entries, uint64_t most, unsigned chopped_max) {
  const unsigned required = bits_for(most);
  unsigned best = 0;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (unsigned chop = 0; chop <= std::min(required, chopped_max); ++chop) {
    const int64_t change = static_cast<int64_t>((most >> (required - chop)) * 64) -
                           static_cast<int64_t>(entries) * static_cast<int64_t>(chop);
    if (change >= least) continue;
    least = change;
    best = chop;
  }
  return best;
}

class PackedTable {
 public:
  std::string_view bytes;
  uint64_t count = 0;  // entries; one more stands behind them
  unsigned word_bits = 0, value_bits = 0;
  Pointers pointers;

  [[nodiscard]] unsigned entry_bits() const { return word_bits + value_bits + pointers.inline_bits; }
  [[nodiscard]] uint64_t size() const { return ((count + 1) * entry_bits() + 7) / 8 + kPaddingBytes; }
  [[nodiscard]] uint64_t values_at(uint64_t index) const { return index * entry_bits() + word_bits; }

  /// Of entries [node.begin, node.end), sorted by their words.
  [[nodiscard]] bool find(uint32_t word, const Node& node, uint64_t& index) const {
    uint64_t begin = node.begin, end = std::min(node.end, count);
    while (begin < end) {
      const uint64_t middle = begin + (end - begin) / 2;
      const uint64_t found = load_bits(bytes, middle * entry_bits(), word_bits);
      if (found == word) {
        index = middle;
        return true;
      }
      if (found < word) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return false;
  }

  /// Where the next table has the runs that end in this one.
  [[nodiscard]] Node range(uint64_t index) const { return {pointer(index), pointer(index + 1)}; }

 private:
  [[nodiscard]] uint64_t pointer(uint64_t index) const {
    const uint64_t lower = load_bits(bytes, values_at(index) + value_bits, pointers.inline_bits);
    return pointers.compressed ? upper(index) << pointers.inline_bits | lower : lower;
  }

  /// The last of the array's entries that is `index` at most.
  [[nodiscard]] uint64_t upper(uint64_t index) const {
    uint64_t begin = 0, end = pointers.uppers.size() / sizeof(uint64_t);
    while (begin < end) {
      const uint64_t middle = begin + (end - begin) / 2;
      if (load<uint64_t>(pointers.uppers, middle * sizeof(uint64_t)) <= index) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return begin == 0 ? 0 : begin - 1;
  }
};

/// What numbers of bins stand for.
struct Bins {
  std::string_view values;  // 32-bit floating point; empty: not quantized
  unsigned bits = 0;

  [[nodiscard]] float operator[](uint64_t index) const { return load<float>(values, index * sizeof(float)); }
};

class TrieSearch final : public Search {
 public:
  TrieSearch(const Header& header, std::string_view bytes, uint64_t begin, const std::string& name)
      : counts_(header.counts),
        bytes_(bytes),
        at_(begin),
        name_(name),
        quantized_(header.kind == Kind::quantized_trie || header.kind == Kind::quantized_array_trie),
        compressed_(header.kind == Kind::array_trie || header.kind == Kind::quantized_array_trie) {}

  Status open() {
    KEDGE_TRY(open_words());
    if (quantized_) KEDGE_TRY(open_bins());
    KEDGE_ASSIGN(unigrams_, take((counts_[0] + 2) * kUnigramBytes));
    unsigned chopped_max = 0;
    if (compressed_ && counts_.size() > 2) {
      KEDGE_ASSIGN(const std::string_view start, peek(2));
      if (static_cast<uint8_t>(start[0]) != kArrayVersion) {
        return Error{ErrorKind::unsupported, fmt::format("{}: array compression of version {}, expected version {}",
                                                         name_, static_cast<uint8_t>(start[0]), kArrayVersion)};
      }
      chopped_max = static_cast<uint8_t>(start[1]);
    }
    for (size_t n = 2; n <= counts_.size(); ++n) KEDGE_TRY(open_table(n, chopped_max));
    return Done{};
  }

  [[nodiscard]] uint32_t word(std::string_view text) const override {
    const uint64_t hash = hash_of_word(text);
    uint64_t begin = 0, end = word_count_;
    while (begin < end) {
      const uint64_t middle = begin + (end - begin) / 2;
      const auto found = load<uint64_t>(words_, middle * sizeof(uint64_t));
      if (found == hash) return static_cast<uint32_t>(middle + 1);
      if (found < hash) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return 0;
  }

  [[nodiscard]] Found unigram(uint32_t word, Node& node) const override {
    const uint64_t at = word * kUnigramBytes;
    node = {load<uint64_t>(unigrams_, at + 8), load<uint64_t>(unigrams_, at + 8 + kUnigramBytes)};
    return {load<float>(unigrams_, at), load<float>(unigrams_, at + sizeof(float)), node.begin == node.end};
  }

  [[nodiscard]] bool middle(size_t length, uint32_t word, Node& node, Found& found) const override {
    const PackedTable& table = tables_[length - 2];
    uint64_t index = 0;
    if (!table.find(word, node, index)) return false;
    node = table.range(index);
    found.is_leftmost = node.begin == node.end;
    const uint64_t at = table.values_at(index);
    if (quantized_) {
      const Bins& probabilities = bins_[2 * (length - 2)];
      const Bins& backoffs = bins_[2 * (length - 2) + 1];
      found.backoff = backoffs[load_bits(table.bytes, at, backoffs.bits)];
      found.probability = probabilities[load_bits(table.bytes, at + backoffs.bits, probabilities.bits)];
    } else {
      found.probability = to_float(load_bits(table.bytes, at, kProbabilityBits) | kSign);
      found.backoff = to_float(load_bits(table.bytes, at + kProbabilityBits, kBackoffBits));
    }
    return true;
  }

  [[nodiscard]] bool longest(uint32_t word, const Node& node, float& probability) const override {
    const PackedTable& table = tables_.back();
    uint64_t index = 0;
    if (!table.find(word, node, index)) return false;
    const uint64_t at = table.values_at(index);
    probability = quantized_ ? bins_.back()[load_bits(table.bytes, at, bins_.back().bits)]
                             : to_float(load_bits(table.bytes, at, kProbabilityBits) | kSign);
    return true;
  }

 private:
  Result<std::string_view> peek(uint64_t size) const {
    if (at_ <= bytes_.size() && size <= bytes_.size() - at_) return bytes_.substr(at_, size);
    return too_short(name_, bytes_.size(), at_ + size);
  }

  Result<std::string_view> take(uint64_t size) {
    KEDGE_ASSIGN(const std::string_view taken, peek(size));
    at_ += size;
    return taken;
  }

  Status open_words() {
    KEDGE_ASSIGN(const std::string_view size, take(sizeof(uint64_t)));
    word_count_ = load<uint64_t>(size, 0);
    KEDGE_ASSIGN(words_, take(counts_[0] * sizeof(uint64_t)));
    if (word_count_ <= counts_[0]) return Done{};
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: {} words, expected {} at most", name_, word_count_, counts_[0])};
  }

  Status open_bins() {
    constexpr uint64_t kHeaderBytes = 8;
    KEDGE_ASSIGN(const std::string_view header, take(kHeaderBytes));
    const auto at = [&](size_t i) { return static_cast<uint8_t>(header[i]); };
    if (at(0) != kBinsVersion) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: quantization of version {}, expected version {}", name_, at(0), kBinsVersion)};
    }
    const std::array<unsigned, 2> bits = {at(1), at(2)};  // of probabilities and back-off weights
    for (const unsigned width : bits) {
      if (width >= 1 && width <= kBinBitsMax) continue;
      return Error{ErrorKind::corrupt_data,
                   fmt::format("{}: quantization to {} bits, expected 1 to {}", name_, width, kBinBitsMax)};
    }
    for (size_t i = 0; i < 2 * (counts_.size() - 2) + 1; ++i) {
      const unsigned width = bits[i % 2];
      KEDGE_ASSIGN(const std::string_view values, take((uint64_t{1} << width) * sizeof(float)));
      bins_.push_back({values, width});
    }
    return Done{};
  }

  Status open_table(size_t n, unsigned chopped_max) {
    PackedTable table;
    table.count = counts_[n - 1];
    table.word_bits = bits_for(counts_[0]);
    const bool is_longest = n == counts_.size();
    if (is_longest) {
      table.value_bits = quantized_ ? bins_.back().bits : kProbabilityBits;
    } else {
      table.value_bits = quantized_ ? bins_[0].bits + bins_[1].bits : kProbabilityBits + kBackoffBits;
      const uint64_t most = counts_[n], entries = table.count + 1;
      table.pointers.compressed = compressed_;
      const unsigned chopped = compressed_ ? chopped_bits(entries, most, chopped_max) : 0;
      table.pointers.inline_bits = bits_for(most) - chopped;
      if (compressed_) KEDGE_TRY(open_uppers(table, (most >> table.pointers.inline_bits) + 1));
    }
    KEDGE_ASSIGN(table.bytes, take(table.size()));
    tables_.push_back(table);
    return Done{};
  }

  /// A header of 8 bytes, the array, and 7 bytes that let it begin at a multiple of 8.
  Status open_uppers(PackedTable& table, uint64_t count) {
    constexpr uint64_t kHeaderBytes = 8, kAlignment = 8;
    const uint64_t skipped = (kAlignment - at_ % kAlignment) % kAlignment + kHeaderBytes;
    KEDGE_ASSIGN(const std::string_view part, take(kHeaderBytes + count * sizeof(uint64_t) + kAlignment - 1));
    table.pointers.uppers = part.substr(skipped, count * sizeof(uint64_t));
    return Done{};
  }

  std::vector<uint64_t> counts_;
  std::string_view bytes_;
  uint64_t at_ = 0;
  std::string name_;
  bool quantized_ = false, compressed_ = false;
  uint64_t word_count_ = 0;
  std::string_view words_, unigrams_;
  std::vector<Bins> bins_;  // probability and back-off of each length, and probability of the longest
  std::vector<PackedTable> tables_;
};

}  // namespace

Result<std::unique_ptr<Search>> open_trie(const Header& header, std::string_view bytes, uint64_t begin,
                                          const std::string& name) {
  auto search = std::make_unique<TrieSearch>(header, bytes, begin, name);
  KEDGE_TRY(search->open());
  return std::unique_ptr<Search>(std::move(search));
}

}  // namespace kedge::curate::kenlm
