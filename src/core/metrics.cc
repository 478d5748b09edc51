#include "core/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.h"

namespace kedge {

namespace {

// Label values and help texts may hold anything; these three characters would break a line.
std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string printed_labels(const MetricLabels& labels, std::string_view forced_value = {}) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += fmt::format("{}=\"{}\"", name, escaped(forced_value.empty() ? value : forced_value, true));
  }
  return out;
}

std::string braced(const std::string& labels) {
  return labels.empty() ? std::string() : "{" + labels + "}";
}

std::string printed_value(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void print_histogram(const std::string& name, const std::string& labels, std::span<const double> bounds,
                     const Histogram::Snapshot& values, std::string& out) {
  const std::string separator = labels.empty() ? "" : ",";
  for (size_t i = 0; i <= bounds.size(); ++i) {
    const std::string bound = i < bounds.size() ? printed_value(bounds[i]) : "+Inf";
    out += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, separator, bound, values.cumulative_counts[i]);
  }
  out += fmt::format("{}_sum{} {}\n", name, braced(labels), printed_value(values.sum));
  out += fmt::format("{}_count{} {}\n", name, braced(labels), values.cumulative_counts.back());
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()), counts_(bounds.size() + 1) {
  KEDGE_CHECK(std::is_sorted(bounds_.begin(), bounds_.end(), std::less_equal<>()));
}

void Histogram::observe(double value) {
  if (std::isnan(value)) return;
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  const std::scoped_lock lock(mutex_);
  ++counts_[static_cast<size_t>(bucket)];
  sum_ += value;
}

Histogram::Snapshot Histogram::snapshot() const {
  const std::scoped_lock lock(mutex_);
  Snapshot snapshot{counts_, sum_};
  for (size_t i = 1; i < snapshot.cumulative_counts.size(); ++i) {
    snapshot.cumulative_counts[i] += snapshot.cumulative_counts[i - 1];
  }
  return snapshot;
}

std::span<const double> latency_bounds() {
  static constexpr std::array<double, 18> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                     1,     2.5,    5,     10,   20,    40,   80,  160,  320};
  return kBounds;
}

MetricsRegistry::Series& MetricsRegistry::series_of(std::string_view name, std::string_view help, Kind kind,
                                                    const MetricLabels& labels) {
  auto family = families_.find(name);
  if (family == families_.end()) {
    family = families_.emplace(std::string(name), Family{kind, std::string(help), {}}).first;
  }
  KEDGE_CHECK(family->second.kind == kind);
  std::string key = printed_labels(labels);
  auto& series = family->second.series;
  if (series.size() >= kMetricSeriesMax && !series.contains(key)) key = printed_labels(labels, "other");
  return series[key];
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help, const MetricLabels& labels) {
  const std::scoped_lock lock(mutex_);
  Series& series = series_of(name, help, Kind::counter, labels);
  if (!series.counter) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Histogram& MetricsRegistry::histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                                      const MetricLabels& labels) {
  const std::scoped_lock lock(mutex_);
  Series& series = series_of(name, help, Kind::histogram, labels);
  if (!series.histogram) series.histogram = std::make_unique<Histogram>(bounds);
  return *series.histogram;
}

void MetricsRegistry::gauge(std::string_view name, std::string_view help, const MetricLabels& labels,
                            std::function<double()> read) {
  const std::scoped_lock lock(mutex_);
  series_of(name, help, Kind::gauge, labels).gauge = std::move(read);
}

void MetricsRegistry::counter(std::string_view name, std::string_view help, const MetricLabels& labels,
                              std::function<uint64_t()> read) {
  const std::scoped_lock lock(mutex_);
  series_of(name, help, Kind::counter, labels).read_counter = std::move(read);
}

void MetricsRegistry::histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                                std::function<HistogramReading()> read) {
  const std::scoped_lock lock(mutex_);
  series_of(name, help, Kind::histogram, labels).read_histogram = std::move(read);
}

void MetricsRegistry::also_as(std::string_view name, std::string_view other) {
  const std::scoped_lock lock(mutex_);
  other_names_.emplace(other, name);
}

void MetricsRegistry::print_series(const std::string& name, const std::string& labels, const Series& series,
                                   std::string& out) {
  if (series.counter || series.read_counter) {
    const uint64_t value = series.counter ? series.counter->value() : series.read_counter();
    out += fmt::format("{}{} {}\n", name, braced(labels), value);
  } else if (series.gauge) {
    out += fmt::format("{}{} {}\n", name, braced(labels), printed_value(series.gauge()));
  } else if (series.histogram) {
    print_histogram(name, labels, series.histogram->bounds(), series.histogram->snapshot(), out);
  } else if (series.read_histogram) {
    const HistogramReading reading = series.read_histogram();
    if (!reading.bounds.empty()) print_histogram(name, labels, reading.bounds, reading.values, out);
  }
}

void MetricsRegistry::print_family(const std::string& name, const Family& family, std::string& out) {
  static constexpr std::string_view kKindNames[] = {"counter", "gauge", "histogram"};
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.help, false), name,
                     kKindNames[static_cast<size_t>(family.kind)]);
  for (const auto& [labels, series] : family.series) print_series(name, labels, series, out);
}

std::string MetricsRegistry::prometheus_text() const {
  const std::scoped_lock lock(mutex_);
  std::map<std::string_view, const Family*> named;
  for (const auto& [name, family] : families_) named[name] = &family;
  for (const auto& [other, name] : other_names_) {
    if (const auto family = families_.find(name); family != families_.end()) named[other] = &family->second;
  }
  std::string out;
  for (const auto& [name, family] : named) print_family(std::string(name), *family, out);
  return out;
}

}  // namespace kedge
