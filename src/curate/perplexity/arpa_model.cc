#include "curate/perplexity/arpa_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/printable.h"

namespace kedge::curate {
namespace {

constexpr uint64_t kRunsMax = 4'000'000'000;
constexpr float kUnknown = -100;  // KenLM's for models without <unk>

uint64_t hash_of(std::span<const uint32_t> ids) {
  uint64_t hash = ids.size();
  for (const uint32_t id : ids) {
    hash = (hash ^ id) + 0x9E3779B97F4A7C15U;
    hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9U;
    hash = (hash ^ hash >> 27) * 0x94D049BB133111EBU;
    hash ^= hash >> 31;
  }
  return hash;
}

template <typename Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

/// Takes an ARPA file apart, line by line.
class ArpaModel::Reader {
 public:
  Reader(std::string_view text, std::string name, ArpaModel& model)
      : rest_(text), name_(std::move(name)), model_(model) {}

  Status read() {
    while (next_line() && line_ != "\\data\\") {
    }
    KEDGE_TRY(read_counts());
    model_.order_ = counts_.size();
    model_.ids_.emplace("<unk>", 0);
    model_.unigrams_.push_back({kUnknown, 0});
    for (size_t n = 1; n <= counts_.size(); ++n) KEDGE_TRY(read_section(n));
    if (line_ != "\\end\\") return broken("\\end\\");
    for (const auto& [word, id] : {std::pair{"<s>", &model_.begin_}, {"</s>", &model_.end_}}) {
      const auto found = model_.ids_.find(word);
      if (found == model_.ids_.end()) {
        return Error{ErrorKind::corrupt_data, fmt::format("{}: no {} among its words", name_, word)};
      }
      *id = found->second;
    }
    return Done{};
  }

 private:
  bool next_line() {
    do {
      if (rest_.empty()) {
        line_ = {};
        return false;
      }
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (line_.ends_with('\r')) line_.remove_suffix(1);
      ++number_;
    } while (line_.find_first_not_of(kAsciiSpaces) == std::string_view::npos);
    return true;
  }

  Error broken(std::string_view expected) const {
    constexpr size_t kShown = 80;
    return {ErrorKind::corrupt_data, fmt::format("{}: line {}: found '{}', expected {}", name_, number_,
                                                 one_line(std::string(line_.substr(0, kShown))), expected)};
  }

  Status read_counts() {
    while (next_line() && line_.starts_with("ngram ")) {
      const size_t equals = line_.find('=');
      size_t n = 0;
      uint64_t count = 0;
      if (equals == std::string_view::npos || !read_number(line_.substr(6, equals - 6), n) ||
          !read_number(line_.substr(equals + 1), count) || n != counts_.size() + 1 || count > kRunsMax) {
        return broken("ngram N=COUNT, N from 1 on");
      }
      counts_.push_back(count);
    }
    if (counts_.empty()) return broken("an ARPA file: \\data\\ and ngram 1=COUNT");
    if (counts_.size() <= kNgramOrderMax) return Done{};
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: runs of {} words, at most {} are read", name_, counts_.size(), kNgramOrderMax)};
  }

  /// REQUIRES: the line at hand should be the section's title; leaves the line after the section.
  Status read_section(size_t n) {
    const std::string title = fmt::format("\\{}-grams:", n);
    if (line_ != title) return broken(title);
    uint64_t count = 0;
    while (next_line() && line_[0] != '\\') {
      KEDGE_TRY(read_run(n));
      ++count;
    }
    if (count == counts_[n - 1]) return Done{};
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: {} runs of {} words, expected {} as \\data\\ says", name_, count, n, counts_[n - 1])};
  }

  Status read_run(size_t n) {
    split_ascii(line_, fields_);
    Weights weights;
    const bool whole = fields_.size() == n + 1 || (fields_.size() == n + 2 && n < counts_.size());
    if (!whole || !read_number(fields_[0], weights.probability) || !(weights.probability <= 0) ||
        (fields_.size() == n + 2 &&
         !(read_number(fields_[n + 1], weights.backoff) && std::isfinite(weights.backoff)))) {
      return broken(fmt::format("a log10 probability of 0 at most, {} words, and a back-off weight or none", n));
    }
    if (n == 1) {
      add_word(fields_[1], weights);
      return Done{};
    }
    ids_.clear();
    for (size_t i = 1; i <= n; ++i) {
      const auto found = model_.ids_.find(std::string(fields_[i]));
      if (found == model_.ids_.end()) return broken("words that are among the 1-grams");
      ids_.push_back(found->second);
    }
    model_.runs_.insert_or_assign(hash_of(ids_), weights);
    return Done{};
  }

  void add_word(std::string_view word, Weights weights) {
    if (word == "<UNK>") word = "<unk>";
    const auto [at, is_new] =
        model_.ids_.try_emplace(std::string(word), static_cast<uint32_t>(model_.unigrams_.size()));
    if (is_new) model_.unigrams_.emplace_back();
    model_.unigrams_[at->second] = weights;
  }

  std::string_view rest_, line_;
  std::string name_;
  ArpaModel& model_;
  uint64_t number_ = 0;
  std::vector<uint64_t> counts_;
  std::vector<std::string_view> fields_;
  std::vector<uint32_t> ids_;
};

Result<std::unique_ptr<NgramModel>> ArpaModel::parse(std::string_view arpa, const std::string& name) {
  auto model = std::make_unique<ArpaModel>();
  KEDGE_TRY(Reader(arpa, name, *model).read());
  return std::unique_ptr<NgramModel>(std::move(model));
}

uint32_t ArpaModel::id_of(std::string_view word) const {
  const auto found = ids_.find(std::string(word));
  return found == ids_.end() ? 0 : found->second;
}

const ArpaModel::Weights* ArpaModel::find(std::span<const uint32_t> words) const {
  if (words.size() == 1) return &unigrams_[words[0]];
  const auto found = runs_.find(hash_of(words));
  return found == runs_.end() ? nullptr : &found->second;
}

double ArpaModel::probability(std::span<const uint32_t> context, uint32_t word) const {
  std::vector<uint32_t> run(context.begin(), context.end());
  run.push_back(word);
  double backoff = 0;
  for (size_t skipped = 0; skipped < run.size(); ++skipped) {
    const std::span<const uint32_t> left = std::span(run).subspan(skipped);
    if (const Weights* weights = find(left)) return backoff + double{weights->probability};
    if (const Weights* weights = find(left.first(left.size() - 1))) backoff += double{weights->backoff};
  }
  return backoff + double{kUnknown};
}

NgramModel::Score ArpaModel::score(std::span<const std::string_view> words) const {
  Score score;
  std::vector<uint32_t> context = {begin_};
  const auto add = [&](uint32_t word) {
    if (context.size() >= order_) context.erase(context.begin());
    score.log10 += probability(context, word);
    ++score.tokens;
    context.push_back(word);
  };
  for (const std::string_view word : words) add(id_of(word));
  add(end_);
  return score;
}

}  // namespace kedge::curate
