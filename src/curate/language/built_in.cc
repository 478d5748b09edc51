// A linear classifier over hashed n-grams of one to four characters, what make_language_model.py trains.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "core/check.h"
#include "curate/language/language.h"

namespace kedge::curate {

extern const std::string_view kLanguageModel;  // src/curate/language/language_model.bin

namespace {

constexpr size_t kCharactersMax = 2000;  // more text changes nothing
constexpr size_t kGramMax = 4;
constexpr size_t kRow =
    64;  // weights of a bucket, those beyond the languages zero: a loop of known length is vectorised
constexpr uint32_t kHashStart = 2166136261U;
constexpr uint32_t kHashFactor = 16777619U;

class BuiltIn final : public LanguageModel {
 public:
  explicit BuiltIn(std::string_view file) {
    KEDGE_CHECK(file.starts_with("KLM1"));
    uint32_t count = 0;
    std::memcpy(&buckets_, file.data() + 4, 4);
    std::memcpy(&count, file.data() + 8, 4);
    std::memcpy(&scale_, file.data() + 12, 4);
    file.remove_prefix(16);
    for (uint32_t i = 0; i < count; ++i) {
      codes_.emplace_back(file.data());
      file.remove_prefix(codes_.back().size() + 1);
    }
    KEDGE_CHECK(file.size() == size_t{buckets_} * count);
    KEDGE_CHECK(count <= kRow);
    weights_.resize(size_t{buckets_} * kRow);
    for (size_t bucket = 0; bucket < buckets_; ++bucket) {
      std::memcpy(weights_.data() + bucket * kRow, file.data() + bucket * count, count);
    }
  }

  [[nodiscard]] Language identify(std::string_view text) const override {
    std::vector<uint32_t> counts(buckets_, 0);
    std::vector<uint32_t> used;
    count_grams(text, counts, used);
    if (used.empty()) return {};
    std::array<float, kRow> scores{};
    double squares = 0;
    for (const uint32_t bucket : used) {
      const float value = std::sqrt(static_cast<float>(counts[bucket]));
      squares += counts[bucket];
      const int8_t* row = weights_.data() + size_t{bucket} * kRow;
      for (size_t i = 0; i < kRow; ++i) scores[i] += value * static_cast<float>(row[i]);
    }
    const double factor = scale_ / std::sqrt(squares);
    const std::span languages(scores.data(), codes_.size());
    const auto best = std::max_element(languages.begin(), languages.end());
    double sum = 0;
    for (const float score : languages) sum += std::exp((double{score} - double{*best}) * factor);
    return {codes_[static_cast<size_t>(best - languages.begin())], 1 / sum};
  }

 private:
  void count_grams(std::string_view utf8, std::vector<uint32_t>& counts, std::vector<uint32_t>& used) const {
    // Letters are four bytes at most; markup between them is not worth more than as much again.
    const std::u32string text = to_lower(to_codes(utf8.substr(0, text_bytes(utf8))));
    size_t taken = 0;
    for (size_t i = 0; i < text.size() && taken <= kCharactersMax;) {
      while (i < text.size() && !is(text[i], kAlpha | kMark)) ++i;
      std::u32string word = U" ";
      while (i < text.size() && is(text[i], kAlpha | kMark)) word += text[i++];
      if (word.size() == 1) break;
      word += U' ';
      add_word(word, counts, used);
      taken += word.size();
    }
  }

  static size_t text_bytes(std::string_view utf8) {
    size_t end = std::min<size_t>(utf8.size(), 64 * kCharactersMax);
    while (end < utf8.size() && end > 0 && (static_cast<unsigned char>(utf8[end]) & 0xC0) == 0x80) --end;
    return end;
  }

  void add_word(CodeView word, std::vector<uint32_t>& counts, std::vector<uint32_t>& used) const {
    for (size_t i = 0; i < word.size(); ++i) {
      uint32_t hash = kHashStart;
      for (size_t size = 1; size <= kGramMax && i + size <= word.size(); ++size) {
        hash = (hash ^ word[i + size - 1]) * kHashFactor;
        if (size == 1 && word[i] == U' ') continue;
        const uint32_t bucket = (hash ^ (hash >> 15)) & (buckets_ - 1);
        if (counts[bucket]++ == 0) used.push_back(bucket);
      }
    }
  }

  uint32_t buckets_ = 0;
  float scale_ = 1;
  std::vector<std::string> codes_;
  std::vector<int8_t> weights_;
};

}  // namespace

std::unique_ptr<LanguageModel> built_in_language_model() {
  return std::make_unique<BuiltIn>(kLanguageModel);
}

}  // namespace kedge::curate
