#pragma once
// Metrics: counters, gauges and histograms, printed as Prometheus text.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kedge {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// A number that only grows. Any thread.
class Counter {
 public:
  void add(uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// How many observations fell at or below each bound, with their sum. Any thread.
class Histogram {
 public:
  /// REQUIRES: bounds strictly ascending.
  explicit Histogram(std::span<const double> bounds);

  /// A value that is not a number is dropped.
  void observe(double value);

  struct Snapshot {
    std::vector<uint64_t> cumulative_counts;  // one per bound, then one for all observations
    double sum = 0;
  };
  [[nodiscard]] Snapshot snapshot() const;
  [[nodiscard]] std::span<const double> bounds() const { return bounds_; }

 private:
  const std::vector<double> bounds_;
  mutable std::mutex mutex_;
  std::vector<uint64_t> counts_;
  double sum_ = 0;
};

/// Bounds for latencies between a millisecond and minutes.
std::span<const double> latency_bounds();

/// Names metrics and prints them all. Thread-safe. A returned reference lives as long as the registry; the same name
/// and labels give the same object. Past kMetricSeriesMax label sets of one name, further ones share a series whose
/// label values all read "other", so that foreign text in a label can't use up the memory.
class MetricsRegistry {
 public:
  /// REQUIRES (all three): one name keeps one kind.
  Counter& counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                       const MetricLabels& labels = {});

  /// A gauge whose value is read when the metrics are printed. `read` must not call the registry.
  void gauge(std::string_view name, std::string_view help, const MetricLabels& labels, std::function<double()> read);

  /// A counter and a histogram that are kept elsewhere, read as a gauge is.
  void counter(std::string_view name, std::string_view help, const MetricLabels& labels,
               std::function<uint64_t()> read);
  struct HistogramReading {
    std::vector<double> bounds;  // strictly ascending
    Histogram::Snapshot values;
  };
  void histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                 std::function<HistogramReading()> read);

  /// Prints the metric under `other` too, now or when it comes: two programs may ask for it by two names.
  void also_as(std::string_view name, std::string_view other);

  /// The text exposition format, version 0.0.4. Names in alphabetical order, series in the order of their labels.
  [[nodiscard]] std::string prometheus_text() const;

 private:
  enum class Kind : uint8_t { counter, gauge, histogram };
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> gauge;
    std::function<uint64_t()> read_counter;
    std::function<HistogramReading()> read_histogram;
  };
  struct Family {
    Kind kind = Kind::counter;
    std::string help;
    std::map<std::string, Series> series;  // by the printed labels
  };

  Series& series_of(std::string_view name, std::string_view help, Kind kind, const MetricLabels& labels);
  static void print_family(const std::string& name, const Family& family, std::string& out);
  static void print_series(const std::string& name, const std::string& labels, const Series& series, std::string& out);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
  std::map<std::string, std::string, std::less<>> other_names_;  // of a family, by the other name
};

inline constexpr size_t kMetricSeriesMax = 1000;

}  // namespace kedge
