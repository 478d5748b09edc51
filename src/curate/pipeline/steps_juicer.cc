// The filter step's profile of data-juicer's statistics.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "curate/filters/juicer.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

constexpr double kAny = 1e300;

struct JuicerLimit {
  const JuicerStatistic* statistic;
  double least = -kAny, most = kAny;
};

class JuicerStep final : public Step {
 public:
  JuicerStep(std::vector<JuicerLimit> limits, size_t repetition_length)
      : Step("filter data-juicer"), limits_(std::move(limits)), repetition_length_(repetition_length) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const std::u32string codes = to_codes(document.text);
    Outcome outcome;
    std::string json;
    for (const JuicerLimit& limit : limits_) {
      const std::string_view name = limit.statistic->name;
      const double value = limit.statistic->measure(codes, repetition_length_);
      outcome.values.emplace_back(name, value);
      json += fmt::format("{}\"{}\":{}", json.empty() ? "" : ",", name, json_number(value));
      if (outcome.reason.empty() && !(limit.least <= value && value <= limit.most)) outcome.reason = name;
    }
    outcome.details = "{" + json + "}";
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    std::vector<ValueRange> ranges;
    for (const JuicerLimit& limit : limits_) {
      ranges.push_back({limit.statistic->name, limit.statistic->low, limit.statistic->high, limit.least, limit.most});
    }
    return ranges;
  }

 private:
  std::vector<JuicerLimit> limits_;
  size_t repetition_length_;
};

Result<JuicerLimit> read_limit(const std::string& name, const Json& value, OptionReader& options) {
  const auto& all = juicer_statistics();
  const auto found = std::find_if(all.begin(), all.end(), [&](const JuicerStatistic& s) { return s.name == name; });
  if (found == all.end()) {
    std::vector<std::string_view> names;
    for (const JuicerStatistic& statistic : all) names.push_back(statistic.name);
    options.fail("limits", name, fmt::format("{}", fmt::join(names, ", ")));
    KEDGE_TRY(options.finish());
  }
  JuicerLimit limit{&*found};
  OptionReader reader(value, options.where() + ".limits." + name);
  limit.least = reader.number("min", limit.least, -kAny, kAny);
  limit.most = reader.number("max", limit.most, -kAny, kAny);
  KEDGE_TRY(reader.finish());
  return limit;
}

}  // namespace

MadeStep make_juicer_filter(OptionReader& options) {
  const auto repetition_length = static_cast<size_t>(options.whole("rep_len", 10, 1, 1000));
  const Json* const found = options.value("limits");
  const Json given = found == nullptr ? Json::object() : *found;
  if (!given.is_object() || given.empty()) {
    options.fail("limits", given, "statistics, each with min or max: {text_len: {min: 10}}");
  }
  KEDGE_TRY(options.finish());
  std::vector<JuicerLimit> limits;
  for (const auto& [name, value] : given.items()) {
    KEDGE_ASSIGN(limits.emplace_back(), read_limit(name, value, options));
  }
  return std::unique_ptr<Step>(std::make_unique<JuicerStep>(std::move(limits), repetition_length));
}

}  // namespace kedge::curate
