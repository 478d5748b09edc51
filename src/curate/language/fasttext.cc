// fastText's classifiers: a text is the mean of the vectors of its words and their pieces; a softmax, or a tree of
// yes-no questions, says the label. Plain files and those compressed by product quantization.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "core/file.h"
#include "curate/language/classifier.h"
#include "curate/language/fasttext_format.h"

namespace kedge::curate {
namespace {

using fasttext::kEndOfLine;
using fasttext::kLabelPrefix;
using fasttext::Loss;
using fasttext::TreeNode;

constexpr int64_t kWordsMax = 50'000'000;
constexpr int64_t kLabelsMax = 100'000;
constexpr int32_t kDimensionMax = 4096;
constexpr int32_t kWordRunMax = 64;
constexpr int64_t kLabelCountMax =
    100'000'000'000'000;  // far below what marks a node of the tree that is not joined yet
constexpr size_t kWordBytesMax = 65536;
constexpr int kCentroids = 256;

/// Reads numbers off a file that may be broken; the first failure stays.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  T take() {
    T value{};
    if (bytes_.size() < sizeof(T)) {
      ok_ = false;
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }
  template <typename T>
  std::vector<T> take_many(int64_t count) {
    if (count < 0 || static_cast<uint64_t>(count) > bytes_.size() / sizeof(T)) {
      ok_ = false;
      return {};
    }
    std::vector<T> values(static_cast<size_t>(count));
    if (!values.empty()) std::memcpy(values.data(), bytes_.data(), values.size() * sizeof(T));
    bytes_ = bytes_.subspan(values.size() * sizeof(T));
    return values;
  }
  std::string take_string() {
    const auto* begin = reinterpret_cast<const char*>(bytes_.data());
    const size_t most = std::min(bytes_.size(), kWordBytesMax);
    const void* end = most == 0 ? nullptr : std::memchr(begin, 0, most);
    if (end == nullptr) {
      ok_ = false;
      return "";
    }
    std::string text(begin, static_cast<const char*>(end));
    bytes_ = bytes_.subspan(text.size() + 1);
    return text;
  }
  void fail() { ok_ = false; }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::span<const std::byte> bytes_;
  bool ok_ = true;
};

/// Cuts vectors into pieces, each one of 256 known ones.
struct ProductQuantizer {
  int32_t dimension = 0, pieces = 0, piece_size = 0, last_size = 0;
  std::vector<float> centroids;

  void read(Cursor& file) {
    dimension = file.take<int32_t>();
    pieces = file.take<int32_t>();
    piece_size = file.take<int32_t>();
    last_size = file.take<int32_t>();
    const bool sane = dimension > 0 && dimension <= kDimensionMax && pieces > 0 && piece_size > 0 && last_size > 0 &&
                      last_size <= piece_size && int64_t{pieces - 1} * piece_size + last_size == dimension;
    if (!sane) return file.fail();
    centroids = file.take_many<float>(int64_t{dimension} * kCentroids);
  }
  [[nodiscard]] const float* centroid(int32_t piece, uint8_t code) const {
    const size_t size = static_cast<size_t>(piece == pieces - 1 ? last_size : piece_size);
    return centroids.data() + static_cast<size_t>(piece) * kCentroids * static_cast<size_t>(piece_size) + code * size;
  }
};

/// A matrix of floats, or of codes.
class Matrix {
 public:
  void read(Cursor& file, bool quantized) {
    if (quantized) return read_codes(file);
    rows_ = file.take<int64_t>();
    columns_ = file.take<int64_t>();
    if (rows_ < 0 || columns_ <= 0 || columns_ > kDimensionMax || rows_ > kWordsMax) return file.fail();
    values_ = file.take_many<float>(rows_ * columns_);
  }
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int64_t columns() const { return columns_; }

  void add_row(int64_t row, std::vector<float>& sum) const {
    for_row(row, [&](size_t column, float value) { sum[column] += value; });
  }
  [[nodiscard]] float dot_row(int64_t row, const std::vector<float>& vector) const {
    float result = 0;
    for_row(row, [&](size_t column, float value) { result += value * vector[column]; });
    return result;
  }

 private:
  void read_codes(Cursor& file) {
    has_norms_ = file.take<uint8_t>() != 0;
    rows_ = file.take<int64_t>();
    columns_ = file.take<int64_t>();
    const auto size = file.take<int32_t>();
    codes_ = file.take_many<uint8_t>(size);
    quantizer_.read(file);
    if (!file.ok()) return;
    if (rows_ < 0 || rows_ > kWordsMax || columns_ != quantizer_.dimension ||
        rows_ * quantizer_.pieces != static_cast<int64_t>(codes_.size())) {
      return file.fail();
    }
    if (!has_norms_) return;
    norm_codes_ = file.take_many<uint8_t>(rows_);
    norms_.read(file);
    if (norms_.dimension != 1) file.fail();
  }

  template <typename Use>
  void for_row(int64_t row, const Use& use) const {
    if (codes_.empty()) {
      const float* values = values_.data() + row * columns_;
      for (size_t i = 0; i < static_cast<size_t>(columns_); ++i) use(i, values[i]);
      return;
    }
    const float norm = has_norms_ ? *norms_.centroid(0, norm_codes_[static_cast<size_t>(row)]) : 1.0F;
    size_t column = 0;
    for (int32_t piece = 0; piece < quantizer_.pieces; ++piece) {
      const uint8_t code = codes_[static_cast<size_t>(row * quantizer_.pieces + piece)];
      const float* values = quantizer_.centroid(piece, code);
      const int32_t size = piece == quantizer_.pieces - 1 ? quantizer_.last_size : quantizer_.piece_size;
      for (int32_t i = 0; i < size; ++i) use(column++, norm * values[i]);
    }
  }

  int64_t rows_ = 0, columns_ = 0;
  std::vector<float> values_;
  std::vector<uint8_t> codes_, norm_codes_;
  ProductQuantizer quantizer_, norms_;
  bool has_norms_ = false;
};

class FastText final : public TextClassifier {
 public:
  Status read(std::span<const std::byte> bytes, const std::string& name) {
    Cursor file(bytes);
    const auto broken = [&name](const char* why) {
      return Error{ErrorKind::corrupt_data, fmt::format("{}: {}", name, why)};
    };
    if (file.take<int32_t>() != fasttext::kMagic) return broken("not a fastText model");
    if (file.take<int32_t>() > fasttext::kVersion)
      return Error{ErrorKind::unsupported, name + ": a later version of fastText's format"};
    read_arguments(file);
    if (!file.ok() || model_ != 3) return broken("no classifier");
    read_dictionary(file);
    const bool quantized = file.ok() && file.take<uint8_t>() != 0;
    input_.read(file, quantized);
    const bool quantized_output = file.ok() && file.take<uint8_t>() != 0;
    output_.read(file, quantized && quantized_output);
    if (!file.ok()) return broken("breaks off, or its sizes contradict each other");
    const int64_t rows = words_count_ + (pruned_ ? pruned_rows_ : bucket_);
    if (input_.columns() != dimension_ || output_.columns() != dimension_ || input_.rows() < rows ||
        output_.rows() < static_cast<int64_t>(labels_.size()) - (loss_ == Loss::hierarchical ? 1 : 0)) {
      return broken("its matrices do not fit its dictionary");
    }
    if (loss_ == Loss::hierarchical) tree_ = fasttext::build_tree(counts_);
    return Done{};
  }

  [[nodiscard]] Language identify(std::string_view text) const override {
    const std::vector<float> hidden = hidden_of(text);
    if (hidden.empty()) return {};
    const auto [label, score] = loss_ == Loss::hierarchical ? walk_tree(hidden) : best_label(hidden);
    return {labels_[label], score};
  }

  [[nodiscard]] const std::vector<std::string>& labels() const override { return labels_; }

  [[nodiscard]] double score_of(std::string_view text, size_t label) const override {
    const std::vector<float> hidden = hidden_of(text);
    if (hidden.empty()) return 0;
    if (loss_ == Loss::hierarchical) return climb_tree(hidden, static_cast<int32_t>(label));
    const auto row = [&](size_t i) { return double{output_.dot_row(static_cast<int64_t>(i), hidden)}; };
    const double own = row(label);
    if (loss_ != Loss::softmax) return 1 / (1 + std::exp(-own));
    double sum = 0;
    for (size_t i = 0; i < labels_.size(); ++i) sum += std::exp(row(i) - own);
    return 1 / sum;
  }

 private:
  void read_arguments(Cursor& file) {
    dimension_ = file.take<int32_t>();
    for (int i = 0; i < 4; ++i) file.take<int32_t>();  // window, epochs, least count, negatives
    word_ngrams_ = file.take<int32_t>();
    loss_ = static_cast<Loss>(file.take<int32_t>());
    model_ = file.take<int32_t>();
    bucket_ = file.take<int32_t>();
    gram_min_ = file.take<int32_t>();
    gram_max_ = file.take<int32_t>();
    file.take<int32_t>();
    file.take<double>();
    const bool sane = dimension_ > 0 && dimension_ <= kDimensionMax && bucket_ >= 0 && gram_min_ >= 0 &&
                      gram_max_ <= 64 && word_ngrams_ <= kWordRunMax && static_cast<int32_t>(loss_) >= 1 &&
                      static_cast<int32_t>(loss_) <= 4;
    if (!sane) file.fail();
  }

  void read_dictionary(Cursor& file) {
    const auto size = file.take<int32_t>();
    words_count_ = file.take<int32_t>();
    const auto label_count = file.take<int32_t>();
    file.take<int64_t>();
    const auto pruned = file.take<int64_t>();
    const bool sane = size >= 0 && size <= kWordsMax && words_count_ >= 0 && label_count >= 0 &&
                      label_count <= kLabelsMax && int64_t{words_count_} + label_count == size && pruned <= kWordsMax;
    if (!sane) return file.fail();
    for (int32_t i = 0; i < size && file.ok(); ++i) {
      std::string word = file.take_string();
      const auto count = file.take<int64_t>();
      const bool is_label = file.take<uint8_t>() != 0;
      if (is_label != (i >= words_count_)) return file.fail();  // words come first, and their index is their row
      if (!is_label) {
        words_.emplace(std::move(word), i);
      } else {
        labels_.push_back(word.starts_with(kLabelPrefix) ? word.substr(kLabelPrefix.size()) : word);
        counts_.push_back(std::clamp<int64_t>(count, 1, kLabelCountMax));
      }
    }
    pruned_ = pruned >= 0;
    pruned_rows_ = pruned;
    for (int64_t i = 0; i < pruned && file.ok(); ++i) {
      const auto from = file.take<int32_t>();
      const auto to = file.take<int32_t>();
      if (to < 0 || to >= pruned) return file.fail();
      kept_[from] = to;
    }
  }

  /// The mean of a text's rows; empty when there is nothing to judge.
  [[nodiscard]] std::vector<float> hidden_of(std::string_view text) const {
    const std::vector<int64_t> rows = rows_of(text);
    if (rows.empty() || labels_.empty() || text.find_first_not_of(" \n\t\r") == std::string_view::npos) return {};
    std::vector<float> hidden(static_cast<size_t>(dimension_), 0);
    for (const int64_t row : rows) input_.add_row(row, hidden);
    for (float& value : hidden) value /= static_cast<float>(rows.size());
    return hidden;
  }

  /// Rows of the input matrix: words that are known, pieces of all words, the end of the line, runs of words.
  [[nodiscard]] std::vector<int64_t> rows_of(std::string_view text) const {
    std::vector<int64_t> rows;
    std::vector<uint32_t> hashes;
    const auto add = [&](std::string_view word) {
      if (word.starts_with(kLabelPrefix)) return;
      add_word(word, rows);
      if (word_ngrams_ > 1) hashes.push_back(fasttext::hash_of(word));
    };
    fasttext::for_each_word(text, add);
    if (word_ngrams_ > 1 && bucket_ > 0) {
      fasttext::for_each_run(hashes, word_ngrams_,
                             [&](uint64_t hash) { add_bucket(hash % static_cast<uint64_t>(bucket_), rows); });
    }
    return rows;
  }

  void add_word(std::string_view word, std::vector<int64_t>& rows) const {
    const auto found = words_.find(std::string(word));
    if (found != words_.end()) rows.push_back(found->second);
    if (word == kEndOfLine || gram_max_ <= 0 || bucket_ == 0) return;
    fasttext::for_each_piece(word, gram_min_, gram_max_, [&](std::string_view piece) {
      add_bucket(fasttext::hash_of(piece) % static_cast<uint32_t>(bucket_), rows);
    });
  }

  void add_bucket(uint64_t bucket, std::vector<int64_t>& rows) const {
    const auto id = static_cast<int32_t>(bucket);
    if (!pruned_) {
      rows.push_back(int64_t{words_count_} + id);
      return;
    }
    const auto found = kept_.find(id);
    if (found != kept_.end()) rows.push_back(int64_t{words_count_} + found->second);
  }

  /// The probability of one label: the answers on its way from the root.
  [[nodiscard]] double climb_tree(const std::vector<float>& hidden, int32_t leaf) const {
    const auto count = static_cast<int32_t>(labels_.size());
    double score = 1;
    for (int32_t node = leaf; tree_[static_cast<size_t>(node)].parent >= 0;) {
      const int32_t parent = tree_[static_cast<size_t>(node)].parent;
      const double yes = 1 / (1 + std::exp(-static_cast<double>(output_.dot_row(parent - count, hidden))));
      score *= tree_[static_cast<size_t>(parent)].right == node ? yes : 1 - yes;
      node = parent;
    }
    return score;
  }

  /// The most probable label: branches that cannot win any more are not followed.
  [[nodiscard]] std::pair<size_t, double> walk_tree(const std::vector<float>& hidden) const {
    const auto count = static_cast<int32_t>(labels_.size());
    std::vector<std::pair<int32_t, double>> open = {{2 * count - 2, 0.0}};
    std::pair<size_t, double> best = {0, -std::numeric_limits<double>::infinity()};
    while (!open.empty()) {
      const auto [index, score] = open.back();
      open.pop_back();
      if (score <= best.second) continue;
      const TreeNode& node = tree_[static_cast<size_t>(index)];
      if (node.left < 0) {
        best = {static_cast<size_t>(index), score};
        continue;
      }
      const double yes = 1 / (1 + std::exp(-static_cast<double>(output_.dot_row(index - count, hidden))));
      open.emplace_back(node.left, score + std::log(1 - yes + 1e-5));
      open.emplace_back(node.right, score + std::log(yes + 1e-5));
    }
    return {best.first, std::min(1.0, std::exp(best.second))};
  }

  [[nodiscard]] std::pair<size_t, double> best_label(const std::vector<float>& hidden) const {
    std::vector<double> scores;
    for (size_t i = 0; i < labels_.size(); ++i) scores.push_back(output_.dot_row(static_cast<int64_t>(i), hidden));
    const auto best = std::max_element(scores.begin(), scores.end());
    const auto label = static_cast<size_t>(best - scores.begin());
    if (loss_ != Loss::softmax) return {label, 1 / (1 + std::exp(-*best))};
    double sum = 0;
    for (const double score : scores) sum += std::exp(score - *best);
    return {label, 1 / sum};
  }

  int32_t dimension_ = 0, word_ngrams_ = 0, model_ = 0, bucket_ = 0, gram_min_ = 0, gram_max_ = 0, words_count_ = 0;
  Loss loss_ = Loss::softmax;
  bool pruned_ = false;
  int64_t pruned_rows_ = 0;
  std::unordered_map<std::string, int32_t> words_;
  std::unordered_map<int32_t, int32_t> kept_;
  std::vector<std::string> labels_;
  std::vector<int64_t> counts_;
  std::vector<TreeNode> tree_;
  Matrix input_, output_;
};

}  // namespace

std::vector<TreeNode> fasttext::build_tree(const std::vector<int64_t>& counts) {
  const auto count = static_cast<int32_t>(counts.size());
  if (count == 0) return {};
  std::vector<TreeNode> tree(static_cast<size_t>(2 * count - 1));
  for (int32_t i = 0; i < 2 * count - 1; ++i) {
    tree[static_cast<size_t>(i)].count = i < count ? counts[static_cast<size_t>(i)] : int64_t{1000000000000000};
  }
  int32_t leaf = count - 1, node = count;
  for (int32_t i = count; i < 2 * count - 1; ++i) {
    std::array<int32_t, 2> least{};
    for (int32_t& chosen : least) {
      const bool take_leaf = leaf >= 0 && tree[static_cast<size_t>(leaf)].count < tree[static_cast<size_t>(node)].count;
      chosen = take_leaf ? leaf-- : node++;
      tree[static_cast<size_t>(chosen)].parent = i;
    }
    TreeNode& joined = tree[static_cast<size_t>(i)];
    joined.left = least[0];
    joined.right = least[1];
    joined.count = tree[static_cast<size_t>(least[0])].count + tree[static_cast<size_t>(least[1])].count;
  }
  return tree;
}

Result<std::unique_ptr<TextClassifier>> open_classifier(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const auto file, MappedFile::open(path));
  auto model = std::make_unique<FastText>();
  KEDGE_TRY(model->read(file->bytes(), path.string()));
  return std::unique_ptr<TextClassifier>(std::move(model));
}

Result<std::unique_ptr<LanguageModel>> open_fasttext_model(const std::filesystem::path& path) {
  KEDGE_ASSIGN(auto model, open_classifier(path));
  return std::unique_ptr<LanguageModel>(std::move(model));
}

}  // namespace kedge::curate
