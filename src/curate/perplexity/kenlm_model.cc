#include "curate/perplexity/kenlm_model.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "core/printable.h"
#include "curate/perplexity/arpa_model.h"
#include "curate/perplexity/kenlm_bytes.h"
#include "curate/perplexity/kenlm_search.h"

namespace kedge::curate {
namespace {

using kenlm::Found;
using kenlm::Header;
using kenlm::Kind;
using kenlm::load;
using kenlm::Node;

constexpr std::string_view kMagic("mmap lm http://kheafield.com/code format version 5\n\0\0", 53);
constexpr std::string_view kAnyMagic = "mmap lm http://kheafield.com/code ";
constexpr size_t kOrderAt = 88, kMultiplierAt = 92, kKindAt = 96, kVersionAt = 104, kCountsAt = 108;
constexpr uint64_t kRunsMax = uint64_t{1} << 40, kWordsMax = 0xFFFFFFF0;
constexpr std::array<std::string_view, 6> kKinds = {"probing hash tables",
                                                    "probing hash tables with rest costs",
                                                    "trie",
                                                    "trie with quantization",
                                                    "trie with array-compressed pointers",
                                                    "trie with quantization and array-compressed pointers"};

class KenlmModel final : public NgramModel {
 public:
  KenlmModel(std::unique_ptr<kenlm::Search> search, size_t order) : search_(std::move(search)), order_(order) {
    begin_ = search_->word("<s>");
    end_ = search_->word("</s>");
  }

  using NgramModel::score;
  [[nodiscard]] Score score(std::span<const std::string_view> words) const override {
    Score sum;
    Context context, next;
    Node node;
    context.words[0] = begin_;
    context.backoffs[0] = search_->unigram(begin_, node).backoff;
    context.length = 1;
    const auto add = [&](uint32_t word) {
      sum.log10 += double{probability(context, word, next)};
      ++sum.tokens;
      std::swap(context, next);
    };
    for (const std::string_view word : words) add(search_->word(word));
    add(end_);
    return sum;
  }

 private:
  /// The words before, the nearest first, as many as longer runs may begin with, and back-off weights of 1, 2, ... of
  /// them.
  struct Context {
    std::array<uint32_t, kNgramOrderMax> words{};
    std::array<float, kNgramOrderMax> backoffs{};
    size_t length = 0;
  };

  /// -0 says that no run goes on behind this one.
  static bool goes_on(float backoff) { return std::bit_cast<uint32_t>(backoff) != 0x80000000; }

  float probability(const Context& context, uint32_t word, Context& next) const {
    Node node;
    Found found = search_->unigram(word, node);
    float probability = found.probability;
    next.backoffs[0] = found.backoff;
    next.words[0] = word;
    next.length = goes_on(found.backoff) ? 1 : 0;
    size_t matched = 1;
    for (size_t i = 0; i < context.length && !found.is_leftmost; ++i) {
      const size_t length = i + 2;
      if (length == order_) {
        if (search_->longest(context.words[i], node, probability)) matched = order_;
        break;
      }
      if (!search_->middle(length, context.words[i], node, found)) break;
      probability = found.probability;
      next.backoffs[length - 1] = found.backoff;
      matched = length;
      if (goes_on(found.backoff)) next.length = length;
    }
    for (size_t i = 1; i < next.length; ++i) next.words[i] = context.words[i - 1];
    for (size_t i = matched - 1; i < context.length; ++i) probability += context.backoffs[i];
    return probability;
  }

  std::unique_ptr<kenlm::Search> search_;
  size_t order_;
  uint32_t begin_ = 0, end_ = 0;
};

/// What the machine that wrote the file makes of a few numbers.
bool are_numbers_ours(std::string_view bytes) {
  return load<float>(bytes, 56) == 0.0F && load<float>(bytes, 60) == 1.0F && load<float>(bytes, 64) == -0.5F &&
         load<uint32_t>(bytes, 68) == 1 && load<uint32_t>(bytes, 72) == 0xFFFFFFFF && load<uint64_t>(bytes, 80) == 1;
}

Status check_start(std::string_view bytes, const std::string& name) {
  if (!bytes.starts_with(kMagic)) {
    const size_t end = std::min(bytes.find('\n'), kMagic.size());
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: found '{}', expected format version 5 (build_binary of KenLM writes it)", name,
                             one_line(std::string(bytes.substr(0, end))))};
  }
  if (bytes.size() < kCountsAt) return kenlm::too_short(name, bytes.size(), kCountsAt);
  if (are_numbers_ours(bytes)) return Done{};
  return Error{ErrorKind::unsupported, name + ": a binary of KenLM's from another kind of machine; build it again"};
}

Result<Header> read_header(std::string_view bytes, const std::string& name) {
  KEDGE_TRY(check_start(bytes, name));
  const auto order = static_cast<uint8_t>(bytes[kOrderAt]);
  const auto kind = load<uint32_t>(bytes, kKindAt);
  if (kind >= kKinds.size()) {
    return Error{ErrorKind::unsupported, fmt::format("{}: KenLM's model type {}, expected 0 to {} (probing or trie)",
                                                     name, kind, kKinds.size() - 1)};
  }
  const uint32_t expected_version = kind >= static_cast<uint32_t>(Kind::trie) ? 1 : 0;
  if (const auto version = load<uint32_t>(bytes, kVersionAt); version != expected_version) {
    return Error{ErrorKind::unsupported, fmt::format("{}: a {} of version {}, expected version {}", name, kKinds[kind],
                                                     version, expected_version)};
  }
  if (order < 2 || order > kNgramOrderMax) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: runs of {} words, expected 2 to {}", name, order, kNgramOrderMax)};
  }
  Header header{static_cast<Kind>(kind), load<float>(bytes, kMultiplierAt), {}};
  constexpr float kMultiplierMax = 1e4;
  if (!(header.multiplier >= 1 && header.multiplier <= kMultiplierMax)) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: probing multiplier {}, expected 1 or more", name, header.multiplier)};
  }
  if (bytes.size() < kCountsAt + order * sizeof(uint64_t)) {
    return kenlm::too_short(name, bytes.size(), kCountsAt + order * sizeof(uint64_t));
  }
  for (size_t n = 1; n <= order; ++n) {
    header.counts.push_back(load<uint64_t>(bytes, kCountsAt + (n - 1) * sizeof(uint64_t)));
    if (header.counts.back() <= (n == 1 ? kWordsMax : kRunsMax)) continue;
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: {} runs of {} words, expected fewer", name, header.counts.back(), n)};
  }
  return header;
}

}  // namespace

Error kenlm::too_short(const std::string& name, uint64_t found, uint64_t expected) {
  return {ErrorKind::corrupt_data,
          fmt::format("{}: {} bytes, expected at least {} as its header says", name, found, expected)};
}

bool is_kenlm_binary(std::string_view bytes) {
  return bytes.starts_with(kAnyMagic);
}

Result<std::unique_ptr<NgramModel>> parse_kenlm_binary(std::string_view bytes, const std::string& name) {
  KEDGE_ASSIGN(const Header header, read_header(bytes, name));
  constexpr uint64_t kAlignment = 8;
  const uint64_t end = kCountsAt + header.counts.size() * sizeof(uint64_t);
  const uint64_t begin = (end + kAlignment - 1) / kAlignment * kAlignment;
  const bool is_trie = header.kind >= Kind::trie;
  KEDGE_ASSIGN(auto search, is_trie ? kenlm::open_trie(header, bytes, begin, name)
                                    : kenlm::open_probing(header, bytes, begin, name));
  return std::unique_ptr<NgramModel>(std::make_unique<KenlmModel>(std::move(search), header.counts.size()));
}

}  // namespace kedge::curate
