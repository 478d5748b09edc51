#include "curate/dedup/semantic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

namespace kedge::curate {
namespace {

/// Sixteen sums side by side, so that it is vector code whose order of additions is fixed.
float dot(const float* a, const float* b, size_t count) {
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> sums{};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float sum = std::accumulate(sums.begin(), sums.end(), 0.0F);
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

class Semantic {
 public:
  Semantic(std::span<float> vectors, size_t dimensions, const SemanticOptions& options, WorkerPool& pool)
      : vectors_(vectors), dimensions_(dimensions), options_(options), pool_(pool) {}

  Status normalize() {
    for (size_t i = 0; i < count(); ++i) {
      const float length = std::sqrt(dot(row(i), row(i), dimensions_));
      if (!std::isfinite(length) || length == 0) {
        return Error{ErrorKind::invalid_input,
                     fmt::format("embedding {}: found length {}, expected a finite one above 0", i + 1, length)};
      }
      for (size_t k = 0; k < dimensions_; ++k) vectors_[i * dimensions_ + k] /= length;
    }
    return Done{};
  }

  Status cluster(const std::stop_token& stop) {
    begin_centroids();
    cluster_.assign(count(), UINT32_MAX);
    nearness_.assign(count(), 0);
    for (size_t iteration = 0; iteration < options_.iterations_max; ++iteration) {
      if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped; no output was written"};
      if (!assign()) break;
      move_centroids();
    }
    return Done{};
  }

  std::vector<std::optional<SemanticMatch>> matches() {
    std::vector<std::vector<uint32_t>> members(clusters_);
    for (uint32_t i = 0; i < count(); ++i) members[cluster_[i]].push_back(i);
    std::vector<std::optional<SemanticMatch>> found(count());
    pool_.parallel_for_parts(static_cast<int64_t>(clusters_), 1, [&](int64_t begin, int64_t end, unsigned) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) match(members[i], found);
    });
    return found;
  }

 private:
  [[nodiscard]] size_t count() const { return vectors_.size() / dimensions_; }
  [[nodiscard]] const float* row(size_t i) const { return vectors_.data() + i * dimensions_; }

  void begin_centroids() {
    clusters_ = std::min(options_.clusters, count());
    std::vector<uint32_t> order(count());
    std::iota(order.begin(), order.end(), 0U);
    std::mt19937_64 random(options_.seed);
    for (size_t i = 0; i < clusters_; ++i) {  // Fisher and Yates
      std::swap(order[i], order[i + random() % (order.size() - i)]);
      centroids_.insert(centroids_.end(), row(order[i]), row(order[i]) + dimensions_);
    }
  }

  /// Whether any vector has another cluster now.
  bool assign() {
    std::vector<uint8_t> moved(count());
    pool_.parallel_for(static_cast<int64_t>(count()), 64, [&](int64_t begin, int64_t end, unsigned) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        uint32_t best = 0;
        float nearness = -2;
        for (uint32_t c = 0; c < clusters_; ++c) {
          const float cosine = dot(row(i), centroids_.data() + c * dimensions_, dimensions_);
          if (cosine <= nearness) continue;
          nearness = cosine;
          best = c;
        }
        moved[i] = cluster_[i] != best ? 1 : 0;
        cluster_[i] = best;
        nearness_[i] = nearness;
      }
    });
    return std::ranges::find(moved, 1) != moved.end();
  }

  /// To the mean direction of their members; one without members stays.
  void move_centroids() {
    std::vector<double> sums(clusters_ * dimensions_);
    for (size_t i = 0; i < count(); ++i) {
      double* sum = sums.data() + cluster_[i] * dimensions_;
      for (size_t k = 0; k < dimensions_; ++k) sum[k] += row(i)[k];
    }
    for (size_t c = 0; c < clusters_; ++c) {
      const double* sum = sums.data() + c * dimensions_;
      const double length = std::sqrt(std::inner_product(sum, sum + dimensions_, sum, 0.0));
      if (length == 0) continue;
      for (size_t k = 0; k < dimensions_; ++k) {
        centroids_[c * dimensions_ + k] = static_cast<float>(sum[k] / length);
      }
    }
  }

  void match(std::vector<uint32_t>& members, std::vector<std::optional<SemanticMatch>>& found) const {
    order(members);
    const auto least = static_cast<float>(1 - options_.eps);
    for (size_t i = 1; i < members.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        const float cosine = dot(row(members[i]), row(members[k]), dimensions_);
        if (cosine < least || (found[members[i]] && cosine <= found[members[i]]->cosine)) continue;
        found[members[i]] = {members[k], cosine};
      }
    }
  }

  /// What is to be kept first; of equal ones the earlier document.
  void order(std::vector<uint32_t>& members) const {
    if (options_.keep == SemanticKeep::random) {
      std::mt19937_64 random(options_.seed + cluster_[members.empty() ? 0 : members[0]]);
      for (size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[random() % i]);
      return;
    }
    const bool hard = options_.keep == SemanticKeep::hard;
    std::ranges::stable_sort(members, [&](uint32_t a, uint32_t b) {
      return hard ? nearness_[a] < nearness_[b] : nearness_[a] > nearness_[b];
    });
  }

  std::span<float> vectors_;
  size_t dimensions_;
  const SemanticOptions& options_;
  WorkerPool& pool_;
  size_t clusters_ = 0;
  std::vector<float> centroids_;
  std::vector<uint32_t> cluster_;
  std::vector<float> nearness_;  // cosine with the cluster's centroid
};

}  // namespace

Result<std::vector<std::optional<SemanticMatch>>> find_semantic_duplicates(std::vector<float>& vectors,
                                                                           size_t dimensions,
                                                                           const SemanticOptions& options,
                                                                           WorkerPool& pool,
                                                                           const std::stop_token& stop) {
  if (vectors.empty()) return std::vector<std::optional<SemanticMatch>>();
  Semantic semantic(vectors, dimensions, options, pool);
  KEDGE_TRY(semantic.normalize());
  KEDGE_TRY(semantic.cluster(stop));
  return semantic.matches();
}

}  // namespace kedge::curate
