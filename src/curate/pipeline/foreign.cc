#include "curate/pipeline/foreign.h"

#include <fmt/format.h>

#include "curate/filters/nemo_limits.h"
#include "curate/pipeline/options.h"

namespace kedge::curate {
namespace {

constexpr int kNgramsMax = 10;

const NemoLimit* find_class(std::string_view class_name, int64_t n) {
  for (const NemoLimit& limit : nemo_limits()) {
    if (limit.class_name == class_name && (limit.n == 0 || limit.n == n)) return &limit;
  }
  return nullptr;
}

/// One filter of NeMo's list, before it is known which.
struct NemoFilter {
  std::string full_name, class_name, where;
  Json params = Json::object();
};

Result<NemoFilter> read_nemo_filter(const Json& filter, const std::string& where) {
  OptionReader reader(filter, where);
  NemoFilter read{.where = where};
  read.full_name = reader.text("name", "");
  read.class_name = read.full_name.substr(read.full_name.rfind('.') + 1);
  if (const Json* const given = reader.value("params")) read.params = *given;
  for (const char* ignored : {"log_score", "input_field"}) reader.value(ignored);  // where scores go, not what they are
  KEDGE_TRY(reader.finish());
  return read;
}

/// A step of its own.
StepConfig per_extension_step(const NemoFilter& filter) {
  StepConfig step{"per_extension", filter.params, filter.where};
  const bool no_table = step.options.is_object() && !step.options.contains("metadata_file");
  if (no_table) step.options["metadata_file"] = "code_meta.csv";
  return step;
}

/// A heuristic filter: its name to `only`, its limits to `limits`.
Status add_heuristic(const NemoFilter& filter, Json& only, Json& limits) {
  const auto& [full_name, class_name, where, given] = filter;
  OptionReader params(given, where + ".params");
  const bool runs = class_name.starts_with("Repeating");
  const int64_t n = runs ? params.whole("n", 2, 2, kNgramsMax) : 0;
  const NemoLimit* const limit = find_class(class_name, n);
  if (limit == nullptr) {
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: found '{}'{}, expected one of NeMo's heuristic filters of English text, or PerExtensionFilter",
                    where, full_name, runs ? fmt::format(" with n = {}", n) : "")};
  }
  if (runs || class_name == "LongWordFilter" || class_name == "WordCountFilter") params.text("lang", "en");
  if (class_name == "CommonEnglishWordsFilter") params.flag("stop_at_false", true);
  if (class_name == "BoilerPlateStringFilter" && !params.flag("remove_if_at_top_or_bottom", true)) {
    return Error{ErrorKind::unsupported, where + ".params.remove_if_at_top_or_bottom: found false, expected true"};
  }
  Json bounds = Json::object();
  if (!limit->least_parameter.empty()) {
    bounds["min"] = params.number(limit->least_parameter, limit->least, -1e300, 1e300);
  }
  if (!limit->most_parameter.empty()) bounds["max"] = params.number(limit->most_parameter, limit->most, -1e300, 1e300);
  KEDGE_TRY(params.finish());
  only.push_back(limit->name);
  if (!bounds.empty()) limits[std::string(limit->name)] = bounds;
  return Done{};
}

}  // namespace

Result<Pipeline> read_nemo_filters(const Json& json, const std::string& name) {
  Pipeline pipeline;
  OptionReader options(json, name);
  pipeline.fields.text = options.text("input_field", "text");
  const Json* const filters = options.value("filters");
  KEDGE_TRY(options.finish());
  if (filters == nullptr || !filters->is_array() || filters->empty() || filters->size() > kStepsMax) {
    return Error{ErrorKind::invalid_input, fmt::format("{}.filters: expected a list of filters", name)};
  }
  Json only = Json::array(), limits = Json::object();
  const auto end_step = [&] {
    if (only.empty()) return;
    pipeline.steps.push_back({"filter", {{"profile", "nemo"}, {"only", only}, {"limits", limits}}, name + ".filters"});
    only = Json::array();
    limits = Json::object();
  };
  for (size_t i = 0; i < filters->size(); ++i) {
    KEDGE_ASSIGN(const NemoFilter filter, read_nemo_filter((*filters)[i], fmt::format("{}.filters[{}]", name, i)));
    if (filter.class_name == "PerExtensionFilter") {
      end_step();
      pipeline.steps.push_back(per_extension_step(filter));
    } else {
      KEDGE_TRY(add_heuristic(filter, only, limits));
    }
  }
  end_step();
  return pipeline;
}

}  // namespace kedge::curate
