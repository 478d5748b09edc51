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
  JuicerStep(std::vector<JuicerLimit> limits, JuicerSettings settings)
      : Step("filter data-juicer"), limits_(std::move(limits)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const std::u32string codes = to_codes(document.text);
    Outcome outcome;
    std::string json;
    for (const JuicerLimit& limit : limits_) {
      const std::string_view name = limit.statistic->name;
      const double value = limit.statistic->measure(codes, settings_);
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
  JuicerSettings settings_;
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

/// The list that a statistic goes by; null where no limit asks for it.
Result<std::shared_ptr<const WordSet>> read_words(OptionReader& options, const Folder& folder, const Json& limits,
                                                  const std::string& kind, const std::string& language) {
  const std::string name = kind + "_dir";
  const std::string chosen = options.text(name, "");
  if (!limits.contains(kind + "_ratio")) return std::shared_ptr<const WordSet>();
  if (chosen.empty()) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}.{}: not there, expected a folder with a file {}.json of words by language, which "
                             "data-juicer downloads: {{\"en\": [\"a\", ...]}}",
                             options.where(), name, kind)};
  }
  KEDGE_ASSIGN(WordSet words, read_juicer_words(folder / chosen, kind, language));
  return std::shared_ptr<const WordSet>(std::make_shared<const WordSet>(std::move(words)));
}

constexpr size_t kGroupMax = 20;

std::vector<size_t> read_group_sizes(OptionReader& options) {
  const bool used = options.flag("use_words_aug", false);
  const Json* const given = options.value("words_aug_group_sizes");
  const Json list = given == nullptr ? Json::array({2}) : *given;
  std::vector<size_t> sizes;
  for (const Json& size : list) {
    if (size.is_number_integer() && size > 0 && size <= kGroupMax) sizes.push_back(size.get<size_t>());
  }
  if (!list.is_array() || sizes.size() != list.size()) {
    options.fail("words_aug_group_sizes", list, fmt::format("whole numbers from 1 to {}", kGroupMax));
  }
  return used ? sizes : std::vector<size_t>();
}

Result<JuicerSettings> read_settings(OptionReader& options, const Folder& folder, const Json& limits) {
  JuicerSettings settings;
  settings.repetition_length = static_cast<size_t>(options.whole("rep_len", 10, 1, 1000));
  settings.group_sizes = read_group_sizes(options);
  settings.join = to_codes(options.text("words_aug_join_char", ""));
  const std::string language = options.text("lang", "en");
  KEDGE_ASSIGN(settings.stop_words, read_words(options, folder, limits, "stopwords", language));
  KEDGE_ASSIGN(settings.flagged_words, read_words(options, folder, limits, "flagged_words", language));
  return settings;
}

}  // namespace

MadeStep make_juicer_filter(OptionReader& options, const Folder& folder) {
  const Json* const found = options.value("limits");
  const Json given = found == nullptr ? Json::object() : *found;
  if (!given.is_object() || given.empty()) {
    options.fail("limits", given, "statistics, each with min or max: {text_len: {min: 10}}");
  }
  KEDGE_ASSIGN(JuicerSettings settings, read_settings(options, folder, given));
  KEDGE_TRY(options.finish());
  std::vector<JuicerLimit> limits;
  for (const auto& [name, value] : given.items()) {
    KEDGE_ASSIGN(limits.emplace_back(), read_limit(name, value, options));
  }
  return std::unique_ptr<Step>(std::make_unique<JuicerStep>(std::move(limits), std::move(settings)));
}

}  // namespace kedge::curate
