#include "curate/decontaminate/task_ngrams.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <optional>
#include <span>

namespace kedge::curate {
namespace {

constexpr size_t kRunMin = 8, kRunMax = 13;
constexpr CodeView kPunctuation = U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
constexpr CodeView kSentenceEnds = U".!?";
constexpr char32_t kCapitalSigma = 0x3A3;  // the one character whose lower case depends on what stands around it

std::u32string without_punctuation(CodeView part) {
  std::u32string text = to_lower(part);
  std::erase_if(text, [](char32_t c) { return c < 0x80 && kPunctuation.find(c) != CodeView::npos; });
  return text;
}

uint64_t hash_of(CodeView word) {
  return XXH3_64bits(word.data(), word.size() * sizeof(char32_t));
}

uint64_t run_hash(const uint64_t* words, size_t count) {
  return XXH3_64bits(words, count * sizeof(uint64_t));
}

/// What lies between two blanks of the text, when something is left of it.
struct Word {
  size_t begin, end;  // in the text
  size_t place;       // of its first character among those that are left
  bool has_sigma;
};

/// The text from some place on, as NeMo's get_words sees it.
class Words {
 public:
  explicit Words(CodeView text) : text_(text), left_before_(text.size() + 1) {
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(U' ', begin), text.size());
      add(begin, end);
      if (end == text.size()) break;
      left_before_[end] = static_cast<uint32_t>(left_.size());
      left_ += U' ';
      begin = end + 1;
    }
    left_before_.back() = static_cast<uint32_t>(left_.size());
    begin_at(0);
  }

  /// Lets the text begin at `offset`, which only rises.
  void begin_at(size_t offset) {
    base_ = left_before_[offset];
    while (first_ < words_.size() && words_[first_].end <= offset) ++first_;
    if (first_ < words_.size() && words_[first_].begin < offset) cut(offset);
    // NeMo drops an empty first word but not its place: the words behind it then have the place of the one before.
    shifted_ = first_ < words_.size() && words_[first_].place == base_ && lengths_[first_] == 0 ? 1 : 0;
  }

  [[nodiscard]] size_t count() const { return words_.size() - first_ - shifted_; }
  [[nodiscard]] const uint64_t* hashes() const { return hashes_.data() + first_ + shifted_; }
  [[nodiscard]] size_t length(size_t word) const { return lengths_[first_ + shifted_ + word]; }
  [[nodiscard]] size_t place(size_t word) const { return words_[first_ + word].place - base_; }

 private:
  void add(size_t begin, size_t end) {
    const CodeView part = text_.substr(begin, end - begin);
    const std::u32string left = without_punctuation(part);
    for (size_t i = begin, before = left_.size(); i < end; ++i) {
      left_before_[i] = static_cast<uint32_t>(before);
      before += count_left(text_[i]);
    }
    if (!left.empty()) {
      words_.push_back({begin, end, left_.size(), contains(part, CodeView(&kCapitalSigma, 1))});
      hashes_.push_back(hash_of(strip(left)));
      lengths_.push_back(strip(left).size());
    }
    left_ += left;
  }
  static size_t count_left(char32_t c) {
    if (c < 0x80) return kPunctuation.find(c) == CodeView::npos ? 1 : 0;
    return to_lower(CodeView(&c, 1)).size();
  }

  /// The first word is what is left of it from `offset` on.
  void cut(size_t offset) {
    Word& word = words_[first_];
    const size_t begin = left_before_[offset], end = left_before_[word.end];
    const std::u32string again =
        word.has_sigma ? without_punctuation(text_.substr(offset, word.end - offset)) : std::u32string();
    const CodeView left = word.has_sigma ? CodeView(again) : CodeView(left_).substr(begin, end - begin);
    if (left.empty()) {
      ++first_;
      return;
    }
    word.place = begin;
    hashes_[first_] = hash_of(strip(left));
    lengths_[first_] = strip(left).size();
  }

  CodeView text_;
  std::u32string left_;                // lower case, without punctuation
  std::vector<uint32_t> left_before_;  // by place in the text: how much of `left_` comes before
  std::vector<Word> words_;
  std::vector<uint64_t> hashes_;
  std::vector<size_t> lengths_;
  size_t first_ = 0, shifted_ = 0, base_ = 0;
};

}  // namespace

/// One text that is looked through, again and again from further on.
class NgramScan {
 public:
  NgramScan(const TaskNgrams& ngrams, CodeView text) : ngrams_(ngrams), words_(text), size_(text.size()) {}

  struct Match {
    uint32_t number;
    size_t place;  // from the beginning
  };
  /// The first run from the beginning on for which `counts` says yes; in NeMo's order: at each word that has twelve
  /// behind it the run of thirteen, then the shorter ones; at the end, by length, those within the last thirteen words.
  template <typename Counts>
  [[nodiscard]] std::optional<Match> next(const Counts& counts) const {
    const size_t count = words_.count();
    for (size_t i = 0; i + kRunMax <= count; ++i) {
      if (const auto match = at(i, kRunMax, counts)) return match;
      for (const size_t length : ngrams_.word_counts_) {
        if (const auto match = at(i, length, counts)) return match;
      }
    }
    if (count <= kRunMax) return std::nullopt;
    for (const size_t length : ngrams_.word_counts_) {
      for (size_t i = count - kRunMax; length < kRunMax && i + length <= count; ++i) {
        if (const auto match = at(i, length, counts)) return match;
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] size_t begin() const { return begin_; }
  [[nodiscard]] size_t size() const { return size_ - begin_; }
  /// Leaves out the next characters. REQUIRES: there are more.
  void go_on(size_t characters) {
    begin_ += characters;
    words_.begin_at(begin_);
  }

 private:
  template <typename Counts>
  [[nodiscard]] std::optional<Match> at(size_t word, size_t length, const Counts& counts) const {
    if (length == 0) return std::nullopt;
    const auto found = ngrams_.numbers_.find(run_hash(words_.hashes() + word, length));
    if (found == ngrams_.numbers_.end() || !counts(found->second)) return std::nullopt;
    return Match{found->second, words_.place(word)};
  }

  const TaskNgrams& ngrams_;
  Words words_;
  size_t size_, begin_ = 0;
};

namespace {

/// NeMo's _split_text: code points of `text` before and behind a run at `place`; empty where nothing is left.
std::pair<CodeSpan, CodeSpan> split_around(CodeView text, size_t place, size_t length, size_t side) {
  const auto ends = [&](size_t at) { return at < text.size() && kSentenceEnds.find(text[at]) != CodeView::npos; };
  size_t end = place - std::min(place, side);
  while (end > 0 && !ends(end)) --end;
  const CodeSpan first = {0, end > 0 ? std::min(end + 1, text.size()) : 0};
  size_t begin = place + length + side;
  while (begin < text.size() && !ends(begin)) ++begin;
  begin = std::min(begin + 1, text.size());
  return {first, {begin, text.size()}};
}

}  // namespace

TaskNgrams::TaskNgrams(const std::vector<std::u32string>& questions) {
  for (const std::u32string& question : questions) {
    const Words words(question);
    if (words.count() < kRunMin) continue;
    const size_t count = std::min(words.count(), kRunMax);
    for (size_t i = 0; i + count <= words.count(); ++i) {
      const auto number = static_cast<uint32_t>(size());
      if (!numbers_.emplace(run_hash(words.hashes() + i, count), number).second) continue;
      size_t length = count - 1, named = 0;
      for (size_t word = i; word < i + count; ++word) {
        length += words.length(word);
        if (words.length(word) > 0) ++named;  // NeMo takes the run, written out, apart once more
      }
      lengths_.push_back(length);
      word_counts_.insert(named);
    }
  }
}

std::vector<uint32_t> TaskNgrams::found_in(CodeView text) const {
  std::vector<uint32_t> found;
  NgramScan scan(*this, text);
  const auto all = [](uint32_t) { return true; };
  while (const auto match = scan.next(all)) {
    found.push_back(match->number);
    const size_t behind = match->place + lengths_[match->number] + 1;
    if (behind >= scan.size()) break;
    scan.go_on(behind);
  }
  return found;
}

std::vector<CodeSpan> TaskNgrams::pieces_of(CodeView text, const std::vector<bool>& removed,
                                            const RemovalLimits& limits) const {
  std::vector<CodeSpan> pieces;
  NgramScan scan(*this, text);
  const auto goes = [&](uint32_t number) { return removed[number]; };
  while (const auto match = scan.next(goes)) {
    const size_t base = scan.begin();
    const auto [first, second] =
        split_around(text.substr(base), match->place, lengths_[match->number], limits.remove_char_each_side);
    if (first.end > limits.min_document_length) pieces.push_back({base, base + first.end});
    if (second.end - second.begin <= limits.min_document_length) return pieces;
    scan.go_on(second.begin);
  }
  pieces.push_back({scan.begin(), text.size()});
  return pieces;
}

}  // namespace kedge::curate
