#include "curate/dedup/semantic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <span>

#include "curate/dedup/dot.h"

namespace kedge::curate {
namespace {

constexpr uint64_t kTileBytesMax = uint64_t{32} << 20;
constexpr uint32_t kNone = UINT32_MAX;  // the cluster of what has no embedding

class Semantic {
 public:
  Semantic(const VectorStore& vectors, const SemanticOptions& options, WorkerPool& pool, const std::stop_token& stop)
      : vectors_(vectors), dimensions_(vectors.dimensions()), options_(options), pool_(pool), stop_(stop) {}

  /// k-means.
  Status cluster() {
    begin_centroids();
    cluster_.assign(count(), kNone);
    nearness_.assign(count(), 0);
    for (size_t iteration = 0; iteration < options_.iterations_max; ++iteration) {
      KEDGE_ASSIGN(const bool moved, assign());
      if (!moved) break;
      move_centroids();
    }
    return Done{};
  }

  Result<SemanticMatches> matches() {
    std::vector<std::vector<uint32_t>> members(clusters_);
    for (uint32_t i = 0; i < count(); ++i) {
      if (cluster_[i] != kNone) members[cluster_[i]].push_back(i);
    }
    SemanticMatches found(count());
    for (std::vector<uint32_t>& cluster : members) {
      order(cluster);
      KEDGE_TRY(match(cluster, found));
      cluster = {};
    }
    return found;
  }

 private:
  [[nodiscard]] uint32_t count() const { return vectors_.count(); }
  [[nodiscard]] const float* centroid(size_t c) const { return centroids_.data() + c * dimensions_; }
  [[nodiscard]] uint64_t row_bytes() const { return dimensions_ * sizeof(float); }
  [[nodiscard]] uint32_t rows_in(uint64_t bytes) const {
    return static_cast<uint32_t>(std::clamp<uint64_t>(bytes / row_bytes(), 1, count()));
  }
  [[nodiscard]] bool has_embedding(uint32_t i) const {
    const std::span row(vectors_.row(i), dimensions_);
    return std::ranges::any_of(row, [](float number) { return number != 0; });
  }

  void begin_centroids() {
    std::vector<uint32_t> order;
    for (uint32_t i = 0; i < count(); ++i) {
      if (i % rows_in(options_.memory_bytes) == 0) vectors_.let_go();
      if (has_embedding(i)) order.push_back(i);
    }
    clusters_ = std::min(options_.clusters, order.size());
    centroids_.resize(clusters_ * dimensions_);
    std::mt19937_64 random(options_.seed);
    for (size_t i = 0; i < clusters_; ++i) {  // Fisher and Yates
      std::swap(order[i], order[i + random() % (order.size() - i)]);
      vectors_.copy(order[i], centroids_.data() + i * dimensions_);
    }
    set_offsets();
  }

  /// What a dot product lacks to be nearness: by distance, half of the middle's squared length.
  void set_offsets() {
    offsets_.assign(clusters_, 0);
    if (options_.metric == SemanticMetric::cosine) return;
    for (size_t c = 0; c < clusters_; ++c) offsets_[c] = dot(centroid(c), centroid(c), dimensions_) / 2;
  }

  /// Each vector to its nearest middle, and the sums of the new clusters; whether any has another one now.
  Result<bool> assign() {
    sums_.assign(clusters_ * dimensions_, 0);
    sizes_.assign(clusters_, 0);
    bool moved = false;
    const uint32_t rows = rows_in(options_.memory_bytes);
    for (uint64_t begin = 0; begin < count(); begin += rows) {
      if (stop_.stop_requested()) return stopped();
      const auto end = static_cast<uint32_t>(std::min<uint64_t>(begin + rows, count()));
      moved = assign(static_cast<uint32_t>(begin), end) || moved;
      vectors_.let_go();
    }
    return moved;
  }

  bool assign(uint32_t first, uint32_t last) {
    std::vector<uint8_t> moved(last - first);
    pool_.parallel_for(last - first, 64, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t i = begin; i < end; ++i) moved[static_cast<size_t>(i)] = place(first + static_cast<uint32_t>(i));
    });
    for (uint32_t i = first; i < last; ++i) {
      if (cluster_[i] == kNone) continue;
      ++sizes_[cluster_[i]];
      double* const sum = sums_.data() + cluster_[i] * dimensions_;
      const float* const row = vectors_.row(i);
      for (size_t k = 0; k < dimensions_; ++k) sum[k] += row[k];
    }
    return std::ranges::find(moved, 1) != moved.end();
  }

  uint8_t place(uint32_t i) {
    if (!has_embedding(i)) return 0;
    uint32_t best = kNone;
    float nearness = 0;
    for (uint32_t c = 0; c < clusters_; ++c) {
      const float near = dot(vectors_.row(i), centroid(c), dimensions_) - offsets_[c];
      if (best != kNone && near <= nearness) continue;
      nearness = near;
      best = c;
    }
    const uint8_t moved = cluster_[i] != best ? 1 : 0;
    cluster_[i] = best;
    nearness_[i] = nearness;
    return moved;
  }

  /// To the mean of their members, or its direction; one without members stays.
  void move_centroids() {
    for (size_t c = 0; c < clusters_; ++c) {
      const double* const sum = sums_.data() + c * dimensions_;
      const double length = options_.metric == SemanticMetric::l2
                                ? static_cast<double>(sizes_[c])
                                : std::sqrt(std::inner_product(sum, sum + dimensions_, sum, 0.0));
      if (length == 0) continue;
      for (size_t k = 0; k < dimensions_; ++k) {
        centroids_[c * dimensions_ + k] = static_cast<float>(sum[k] / length);
      }
    }
    set_offsets();
  }

  /// All pairs, a tile of rows beside a tile of those before them.
  Status match(std::span<const uint32_t> members, SemanticMatches& found) {
    const uint32_t rows = rows_in(std::min(options_.memory_bytes / 2, kTileBytesMax));
    for (size_t begin = 0; begin < members.size(); begin += rows) {
      const auto later = members.subspan(begin, std::min<size_t>(rows, members.size() - begin));
      gather(later, later_);
      for (size_t other = 0; other < begin; other += rows) {
        if (stop_.stop_requested()) return stopped();
        const auto earlier = members.subspan(other, std::min<size_t>(rows, begin - other));
        gather(earlier, earlier_);
        compare(later, earlier, false, found);
      }
      compare(later, later, true, found);
    }
    return Done{};
  }

  void gather(std::span<const uint32_t> members, std::vector<float>& rows) const {
    rows.resize(members.size() * dimensions_);
    for (size_t i = 0; i < members.size(); ++i) {
      vectors_.copy(members[i], rows.data() + i * dimensions_);
    }
  }

  void compare(std::span<const uint32_t> later, std::span<const uint32_t> earlier, bool same, SemanticMatches& found) {
    const auto least = static_cast<float>(1 - options_.eps);
    const std::vector<float>& rows = same ? later_ : earlier_;
    pool_.parallel_for_parts(static_cast<int64_t>(later.size()), 16, [&](int64_t begin, int64_t end, unsigned) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        std::optional<SemanticMatch>& match = found[later[i]];
        for (size_t k = 0; k < (same ? i : earlier.size()); ++k) {
          const float cosine = dot(later_.data() + i * dimensions_, rows.data() + k * dimensions_, dimensions_);
          if (cosine >= least && (!match || cosine > match->cosine))
            match = {earlier[k], cosine};  // the first of equals
        }
      }
    });
  }

  /// What is to be kept first; of equal ones the earlier document.
  void order(std::vector<uint32_t>& members) const {
    if (options_.keep == SemanticKeep::random) {
      std::mt19937_64 random(options_.seed + (members.empty() ? 0 : cluster_[members[0]]));
      for (size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[random() % i]);
      return;
    }
    const bool hard = options_.keep == SemanticKeep::hard;
    std::ranges::stable_sort(members, [&](uint32_t a, uint32_t b) {
      return hard ? nearness_[a] < nearness_[b] : nearness_[a] > nearness_[b];
    });
  }

  const VectorStore& vectors_;
  size_t dimensions_;
  const SemanticOptions& options_;
  WorkerPool& pool_;
  const std::stop_token& stop_;
  size_t clusters_ = 0;
  std::vector<float> centroids_, offsets_;
  std::vector<double> sums_;
  std::vector<uint64_t> sizes_;
  std::vector<uint32_t> cluster_;
  std::vector<float> nearness_;  // to the cluster's middle
  std::vector<float> later_, earlier_;
};

}  // namespace

Result<SemanticMatches> find_semantic_duplicates(const VectorStore& vectors, const SemanticOptions& options,
                                                 WorkerPool& pool, const std::stop_token& stop) {
  if (vectors.count() == 0 || vectors.dimensions() == 0) return SemanticMatches(vectors.count());
  Semantic semantic(vectors, options, pool, stop);
  KEDGE_TRY(semantic.cluster());
  return semantic.matches();
}

Result<SemanticMatches> find_semantic_duplicates(std::vector<float>& vectors, size_t dimensions,
                                                 const SemanticOptions& options, WorkerPool& pool,
                                                 const std::stop_token& stop) {
  if (vectors.empty()) return SemanticMatches();
  for (size_t i = 0; i * dimensions < vectors.size(); ++i) {
    if (normalize(std::span(vectors).subspan(i * dimensions, dimensions))) continue;
    return Error{ErrorKind::invalid_input,
                 fmt::format("embedding {}: its length is 0 or not finite, expected a finite one above 0", i + 1)};
  }
  return find_semantic_duplicates(MemoryVectors(vectors, dimensions), options, pool, stop);
}

std::vector<uint32_t> kept_of(const SemanticMatches& matches) {
  std::vector<uint32_t> kept(matches.size());
  for (uint32_t i = 0; i < matches.size(); ++i) {
    uint32_t at = i;
    while (matches[at]) at = matches[at]->of;
    kept[i] = at;
  }
  return kept;
}

}  // namespace kedge::curate
