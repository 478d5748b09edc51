// Supervised training of fastText's classifiers (Joulin et al. 2017, "Bag of Tricks for Efficient Text
// Classification").
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "core/file.h"
#include "curate/language/classifier.h"
#include "curate/language/fasttext_format.h"

namespace kedge::curate {
namespace {

constexpr uint64_t kMatrixBytesMax = uint64_t{16} << 30;
constexpr size_t kLabelsMax = 100'000;
constexpr size_t kWriteBytes = size_t{1} << 20;
constexpr size_t kTextsPerProgress = 64;

/// splitmix64: the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  /// In [0, 1).
  double uniform() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-53;
  }

 private:
  uint64_t state_;
};

struct Entry {
  std::string name;
  int64_t count = 0;
};

/// Words or labels, most frequent first; of equally frequent ones the one seen first.
class Vocabulary {
 public:
  void add(std::string_view name) {
    const auto [at, is_new] = index_.try_emplace(std::string(name), static_cast<int32_t>(entries_.size()));
    if (is_new) entries_.push_back({at->first, 0});
    ++entries_[static_cast<size_t>(at->second)].count;
  }
  void order(int64_t count_min) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.count < count_min; });
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const Entry& a, const Entry& b) { return a.count > b.count; });
    index_.clear();
    for (size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].name, static_cast<int32_t>(i));
  }
  /// -1: not there.
  [[nodiscard]] int32_t find(std::string_view name) const {
    const auto found = index_.find(std::string(name));
    return found == index_.end() ? -1 : found->second;
  }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::unordered_map<std::string, int32_t> index_;
  std::vector<Entry> entries_;
};

/// A text as rows of the input matrix.
struct Example {
  std::vector<int32_t> rows;
  int32_t label = 0;
  uint32_t tokens = 0;
};

class Trainer {
 public:
  Trainer(const TrainOptions& options, const std::function<void(double, double)>& on_progress, std::stop_token stop)
      : options_(options), on_progress_(on_progress), stop_(std::move(stop)) {}

  Status prepare(const std::vector<LabelledText>& texts) {
    for (const LabelledText& text : texts) {
      labels_.add(text.label);
      for_each_token(text.text, [&](std::string_view word) { words_.add(word); });
    }
    words_.order(options_.word_count_min);
    labels_.order(1);
    if (labels_.entries().size() < 2 || labels_.entries().size() > kLabelsMax) {
      return Error{ErrorKind::invalid_input, fmt::format("labels: found {} different ones, expected 2 to {}",
                                                         labels_.entries().size(), kLabelsMax)};
    }
    if (words_.entries().empty()) {
      return Error{ErrorKind::invalid_input, "texts: found no word that occurs often enough (--min-count)"};
    }
    buckets_ = options_.word_ngrams > 1 || options_.piece_max > 0 ? options_.bucket_count : 0;
    const uint64_t rows = words_.entries().size() + static_cast<uint64_t>(buckets_);
    const uint64_t bytes = rows * static_cast<uint64_t>(options_.dimension) * sizeof(float);
    if (bytes > kMatrixBytesMax || rows > INT32_MAX) {
      return Error{ErrorKind::out_of_memory,
                   fmt::format("{} words and {} buckets of {} numbers need {} bytes, at most {}: fewer buckets "
                               "(--buckets), a higher --min-count or a smaller --dim help",
                               words_.entries().size(), buckets_, options_.dimension, bytes, kMatrixBytesMax)};
    }
    for (const LabelledText& text : texts) examples_.push_back(example_of(text));
    make_matrices(rows);
    return Done{};
  }

  Result<Trained> train() {
    uint64_t tokens = 0, done = 0;
    for (const Example& example : examples_) tokens += example.tokens;
    const double all = static_cast<double>(tokens) * options_.epochs;
    double loss = 0;
    for (int32_t epoch = 0; epoch < options_.epochs; ++epoch) {
      loss = 0;
      for (size_t i = 0; i < examples_.size(); ++i) {
        const double share = static_cast<double>(done) / all;
        loss += learn(examples_[i], static_cast<float>(options_.learning_rate * (1 - share)));
        done += examples_[i].tokens;
        if (i % kTextsPerProgress != 0) continue;
        if (stop_.stop_requested()) return Error{ErrorKind::cancelled, "training stopped"};
        if (on_progress_) on_progress_(share, loss / static_cast<double>(i + 1));
      }
      loss /= static_cast<double>(examples_.size());
    }
    if (!std::isfinite(loss)) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("training ran away with --lr {}: a smaller one helps", options_.learning_rate)};
    }
    return Trained{words_.entries().size(), labels_.entries().size(), tokens, loss};
  }

  Status write(const std::filesystem::path& output) const;

 private:
  template <typename Use>
  static void for_each_token(std::string_view text, const Use& use) {
    fasttext::for_each_word(text, [&](std::string_view word) {
      if (!word.starts_with(fasttext::kLabelPrefix)) use(word);
    });
  }

  Example example_of(const LabelledText& text) const {
    Example example;
    example.label = labels_.find(text.label);
    example.tokens = 1;  // the label
    const auto first_bucket = static_cast<int32_t>(words_.entries().size());
    std::vector<uint32_t> hashes;
    for_each_token(text.text, [&](std::string_view word) {
      ++example.tokens;
      const int32_t found = words_.find(word);
      if (found >= 0) example.rows.push_back(found);
      hashes.push_back(fasttext::hash_of(word));
      if (options_.piece_max <= 0 || word == fasttext::kEndOfLine) return;
      fasttext::for_each_piece(word, options_.piece_min, options_.piece_max, [&](std::string_view piece) {
        const uint32_t bucket = fasttext::hash_of(piece) % static_cast<uint32_t>(buckets_);
        example.rows.push_back(first_bucket + static_cast<int32_t>(bucket));
      });
    });
    if (options_.word_ngrams > 1) {
      fasttext::for_each_run(hashes, options_.word_ngrams, [&](uint64_t hash) {
        example.rows.push_back(first_bucket + static_cast<int32_t>(hash % static_cast<uint64_t>(buckets_)));
      });
    }
    return example;
  }

  void make_matrices(uint64_t rows) {
    const auto width = static_cast<size_t>(options_.dimension);
    Random random(options_.seed);
    input_.resize(rows * width);
    for (float& value : input_) value = static_cast<float>((random.uniform() * 2 - 1) / options_.dimension);
    std::vector<int64_t> counts;
    for (const Entry& label : labels_.entries()) counts.push_back(label.count);
    output_.assign(counts.size() * width, 0);
    if (options_.loss == TrainOptions::Loss::hierarchical) tree_ = fasttext::build_tree(counts);
    hidden_.resize(width);
    gradient_.resize(width);
    scores_.resize(counts.size());
  }

  /// One step; the loss before it.
  double learn(const Example& example, float rate) {
    if (example.rows.empty()) return 0;
    const size_t width = hidden_.size();
    std::fill(hidden_.begin(), hidden_.end(), 0.0F);
    std::fill(gradient_.begin(), gradient_.end(), 0.0F);
    for (const int32_t row : example.rows) {
      const float* values = input_.data() + static_cast<size_t>(row) * width;
      for (size_t i = 0; i < width; ++i) hidden_[i] += values[i];
    }
    const float share = 1.0F / static_cast<float>(example.rows.size());
    for (float& value : hidden_) value *= share;
    const double loss =
        tree_.empty() ? learn_softmax(example.label, rate) : learn_tree(static_cast<size_t>(example.label), rate);
    for (float& value : gradient_) value *= share;
    for (const int32_t row : example.rows) {
      float* values = input_.data() + static_cast<size_t>(row) * width;
      for (size_t i = 0; i < width; ++i) values[i] += gradient_[i];
    }
    return loss;
  }

  [[nodiscard]] float dot_output(size_t row) const {
    const float* values = output_.data() + row * hidden_.size();
    float sum = 0;
    for (size_t i = 0; i < hidden_.size(); ++i) sum += values[i] * hidden_[i];
    return sum;
  }

  /// Moves an output row by `alpha` times the hidden vector, the gradient by `alpha` times the row.
  void move_output(size_t row, float alpha) {
    float* values = output_.data() + row * hidden_.size();
    for (size_t i = 0; i < hidden_.size(); ++i) {
      gradient_[i] += alpha * values[i];
      values[i] += alpha * hidden_[i];
    }
  }

  double learn_softmax(int32_t label, float rate) {
    for (size_t i = 0; i < scores_.size(); ++i) scores_[i] = dot_output(i);
    const float most = *std::max_element(scores_.begin(), scores_.end());
    float sum = 0;
    for (float& score : scores_) sum += score = std::exp(score - most);
    for (size_t i = 0; i < scores_.size(); ++i) {
      move_output(i, rate * ((i == static_cast<size_t>(label) ? 1.0F : 0.0F) - scores_[i] / sum));
    }
    return -std::log(std::max(static_cast<double>(scores_[static_cast<size_t>(label)] / sum), 1e-30));
  }

  double learn_tree(size_t leaf, float rate) {
    double loss = 0;
    for (auto node = static_cast<int32_t>(leaf); tree_[static_cast<size_t>(node)].parent >= 0;) {
      const int32_t parent = tree_[static_cast<size_t>(node)].parent;
      const bool yes = tree_[static_cast<size_t>(parent)].right == node;
      const auto row = static_cast<size_t>(parent) - labels_.entries().size();
      const float said = 1.0F / (1.0F + std::exp(-dot_output(row)));
      move_output(row, rate * ((yes ? 1.0F : 0.0F) - said));
      loss -= std::log(std::max(static_cast<double>(yes ? said : 1 - said), 1e-30));
      node = parent;
    }
    return loss;
  }

  TrainOptions options_;
  const std::function<void(double, double)>& on_progress_;
  std::stop_token stop_;
  Vocabulary words_, labels_;
  int32_t buckets_ = 0;
  std::vector<Example> examples_;
  std::vector<fasttext::TreeNode> tree_;
  std::vector<float> input_, output_, hidden_, gradient_, scores_;
};

/// Numbers as fastText writes them: little endian, one after the other.
class Writer {
 public:
  explicit Writer(AtomicFile file) : file_(std::move(file)) {}

  template <typename T>
  Writer& put(T value) {
    pending_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  void put_entry(std::string_view prefix, const Entry& entry, uint8_t type) {
    pending_ += prefix;
    pending_ += entry.name;
    pending_ += '\0';
    put(entry.count).put(type);
    flush(kWriteBytes);
  }
  void put_matrix(const std::vector<float>& values, size_t width) {
    put(static_cast<int64_t>(values.size() / width)).put(static_cast<int64_t>(width));
    for (const float value : values) {
      put(value);
      flush(kWriteBytes);
    }
  }
  Status commit() {
    flush(1);
    KEDGE_TRY(status_);
    return file_.commit();
  }

 private:
  void flush(size_t bytes_min) {
    if (pending_.size() < bytes_min) return;
    if (status_.ok()) status_ = file_.write(pending_);
    pending_.clear();
  }

  AtomicFile file_;
  std::string pending_;
  Status status_ = Done{};
};

Status Trainer::write(const std::filesystem::path& output) const {
  KEDGE_ASSIGN(auto file, AtomicFile::create(output));
  Writer writer(std::move(file));
  const bool tree = options_.loss == TrainOptions::Loss::hierarchical;
  constexpr int32_t kWindow = 5, kNegatives = 5, kSupervised = 3, kRateUpdate = 100;
  writer.put(fasttext::kMagic).put(fasttext::kVersion);
  writer.put(options_.dimension).put(kWindow).put(options_.epochs);
  writer.put(static_cast<int32_t>(std::min<int64_t>(options_.word_count_min, INT32_MAX))).put(kNegatives);
  writer.put(options_.word_ngrams).put(tree ? fasttext::Loss::hierarchical : fasttext::Loss::softmax).put(kSupervised);
  writer.put(buckets_).put(options_.piece_min).put(options_.piece_max).put(kRateUpdate).put(double{1e-4});
  const auto words = static_cast<int32_t>(words_.entries().size());
  const auto labels = static_cast<int32_t>(labels_.entries().size());
  int64_t tokens = 0;
  for (const Example& example : examples_) tokens += example.tokens;
  writer.put(words + labels).put(words).put(labels).put(tokens).put(int64_t{-1});  // nothing is pruned
  for (const Entry& word : words_.entries()) writer.put_entry("", word, 0);
  for (const Entry& label : labels_.entries()) writer.put_entry(fasttext::kLabelPrefix, label, 1);
  writer.put(uint8_t{0});  // not quantized
  writer.put_matrix(input_, hidden_.size());
  writer.put(uint8_t{0});
  writer.put_matrix(output_, hidden_.size());
  return writer.commit();
}

}  // namespace

Result<Trained> train_classifier(const std::vector<LabelledText>& texts, const TrainOptions& options,
                                 const std::filesystem::path& output,
                                 const std::function<void(double share, double loss)>& on_progress,
                                 const std::stop_token& stop) {
  Trainer trainer(options, on_progress, stop);
  KEDGE_TRY(trainer.prepare(texts));
  KEDGE_ASSIGN(const Trained trained, trainer.train());
  KEDGE_TRY(trainer.write(output));
  return trained;
}

}  // namespace kedge::curate
