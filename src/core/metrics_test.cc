// Goal: metrics count right from many threads and print what Prometheus parses.
// Method: known observations against the exact text; odd label values; more label sets than the limit.
#include "core/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

namespace kedge {
namespace {

TEST(Metrics, prints_every_kind) {
  MetricsRegistry registry;
  registry.counter("requests_total", "Requests.", {{"route", "/v1/models"}, {"code", "200"}}).add(3);
  registry.gauge("running", "Running now.", {}, [] { return 2.0; });
  const double bounds[] = {0.5, 1};
  Histogram& histogram = registry.histogram("seconds", "How long.", bounds, {{"model", "m"}});
  histogram.observe(0.5);  // a bound belongs to its bucket
  histogram.observe(0.75);
  histogram.observe(8);
  histogram.observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(registry.prometheus_text(),
            "# HELP requests_total Requests.\n# TYPE requests_total counter\n"
            "requests_total{route=\"/v1/models\",code=\"200\"} 3\n"
            "# HELP running Running now.\n# TYPE running gauge\nrunning 2\n"
            "# HELP seconds How long.\n# TYPE seconds histogram\n"
            "seconds_bucket{model=\"m\",le=\"0.5\"} 1\nseconds_bucket{model=\"m\",le=\"1\"} 2\n"
            "seconds_bucket{model=\"m\",le=\"+Inf\"} 3\nseconds_sum{model=\"m\"} 9.25\nseconds_count{model=\"m\"} 3\n");
}

TEST(Metrics, escapes_label_values) {
  MetricsRegistry registry;
  registry.counter("c", "a\nb", {{"l", "quote\" slash\\ line\n"}}).add();
  EXPECT_EQ(registry.prometheus_text(), "# HELP c a\\nb\n# TYPE c counter\nc{l=\"quote\\\" slash\\\\ line\\n\"} 1\n");
}

TEST(Metrics, same_name_and_labels_are_the_same_object) {
  MetricsRegistry registry;
  EXPECT_EQ(&registry.counter("c", "", {{"a", "1"}}), &registry.counter("c", "", {{"a", "1"}}));
  EXPECT_NE(&registry.counter("c", "", {{"a", "1"}}), &registry.counter("c", "", {{"a", "2"}}));
}

TEST(Metrics, label_sets_are_limited) {
  MetricsRegistry registry;
  for (size_t i = 0; i < kMetricSeriesMax + 50; ++i) registry.counter("c", "", {{"l", std::to_string(i)}}).add();
  EXPECT_EQ(registry.counter("c", "", {{"l", "one more"}}).value(), 50U);
  EXPECT_NE(registry.prometheus_text().find("c{l=\"other\"} 50\n"), std::string::npos);
}

TEST(Metrics, prints_what_is_kept_elsewhere_and_under_other_names) {
  MetricsRegistry registry;
  uint64_t count = 3;
  registry.also_as("c_total", "other:c_total");
  registry.also_as("nothing", "other:nothing");
  registry.counter("c_total", "C.", {{"l", "x"}}, [&] { return count; });
  registry.histogram("h", "H.", {}, [] { return MetricsRegistry::HistogramReading{{0.5}, {{2, 3}, 1.25}}; });
  ++count;
  EXPECT_EQ(registry.prometheus_text(),
            "# HELP c_total C.\n# TYPE c_total counter\nc_total{l=\"x\"} 4\n"
            "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 1.25\nh_count 3\n"
            "# HELP other:c_total C.\n# TYPE other:c_total counter\nother:c_total{l=\"x\"} 4\n");
}

TEST(Metrics, counts_from_many_threads) {
  MetricsRegistry registry;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&registry] {
      for (int i = 0; i < 1000; ++i) {
        registry.counter("c", "").add();
        registry.histogram("h", "", latency_bounds()).observe(0.01 * i);
        if (i % 100 == 0) static_cast<void>(registry.prometheus_text());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.counter("c", "").value(), 4000U);
  EXPECT_EQ(registry.histogram("h", "", latency_bounds()).snapshot().cumulative_counts.back(), 4000U);
}

}  // namespace
}  // namespace kedge
