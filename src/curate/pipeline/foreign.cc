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

/// One filter: its name to `only`, its limits to `limits`.
Status read_nemo_filter(const Json& filter, const std::string& where, Json& only, Json& limits) {
  OptionReader reader(filter, where);
  const std::string full_name = reader.text("name", "");
  const Json* const given = reader.value("params");
  for (const char* ignored : {"log_score", "input_field"}) reader.value(ignored);  // where scores go, not what they are
  KEDGE_TRY(reader.finish());
  OptionReader params(given == nullptr ? Json::object() : *given, where + ".params");
  const std::string class_name = full_name.substr(full_name.rfind('.') + 1);
  const bool runs = class_name.starts_with("Repeating");
  const int64_t n = runs ? params.whole("n", 2, 2, kNgramsMax) : 0;
  const NemoLimit* const limit = find_class(class_name, n);
  if (limit == nullptr) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: found '{}'{}, expected one of NeMo's heuristic filters of English text", where,
                             full_name, runs ? fmt::format(" with n = {}", n) : "")};
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

Result<StepConfig> read_juicer_step(const std::string& op, const Json& settings, const std::string& where) {
  OptionReader options(settings, where);
  StepConfig step{.op = "", .options = Json::object(), .where = where};
  if (op == "language_id_score_filter") {
    step.op = "language";
    step.options["keep"] = options.texts("lang");
    step.options["min_score"] = options.number("min_score", 0.8, 0, 1);
    step.options["member"] = "";
  } else if (op == "fix_unicode_mapper") {
    step.op = "clean";
    const std::string form = options.choice("normalization", "NFC", {"NFC", "NFKC", "NFD", "NFKD"});
    step.options["ops"] = Json::array({{{"ftfy", {{"normalization", form}}}}});
  } else if (op == "whitespace_normalization_mapper") {
    step.op = "clean";
    step.options["ops"] = {"white_space"};
  } else if (op == "document_deduplicator") {
    step.op = "dedup";
    step.options = {{"method", "exact"}, {"normalize", "none"}};
    if (options.flag("lowercase", false) || options.flag("ignore_non_character", false)) {
      return Error{ErrorKind::unsupported, where +
                                               ": lowercase and ignore_non_character have no counterpart; "
                                               "`dedup: {method: exact, normalize: text}` is the nearest"};
    }
  } else if (op == "document_minhash_deduplicator") {
    step.op = "dedup";
    step.options = {{"method", "fuzzy"}, {"params", "kedge"}, {"verify", true}};
    step.options["min_jaccard"] = options.number("jaccard_threshold", 0.7, 0, 1);
    for (const char* chosen_here : {"tokenization", "window_size", "num_permutations", "num_bands", "num_rows_per_band",
                                    "lowercase", "ignore_pattern"}) {
      options.value(chosen_here);
    }
  } else if (op == "words_num_filter") {
    step.op = "filter";
    step.options = {{"profile", "nemo"}, {"only", {"word_count"}}};
    step.options["limits"]["word_count"] = {{"min", options.number("min_num", 10, 0, 1e300)},
                                            {"max", options.number("max_num", 10000, 0, 1e300)}};
    options.text("lang", "en");
    options.flag("tokenization", false);
  } else {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: found '{}', expected language_id_score_filter, fix_unicode_mapper, "
                             "whitespace_normalization_mapper, words_num_filter, "
                             "document_deduplicator or document_minhash_deduplicator: the others have no counterpart",
                             where, op)};
  }
  KEDGE_TRY(options.finish());
  return step;
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
  for (size_t i = 0; i < filters->size(); ++i) {
    KEDGE_TRY(read_nemo_filter((*filters)[i], fmt::format("{}.filters[{}]", name, i), only, limits));
  }
  pipeline.steps.push_back(
      {"filter", {{"profile", "nemo"}, {"only", std::move(only)}, {"limits", std::move(limits)}}, name + ".filters"});
  return pipeline;
}

Result<Pipeline> read_data_juicer(const Json& json, const std::string& name) {
  Pipeline pipeline;
  OptionReader options(json, name);
  pipeline.inputs = options.texts("dataset_path");
  pipeline.output = options.text("export_path", "");
  const std::vector<std::string> keys = options.texts("text_keys");
  if (!keys.empty()) pipeline.fields.text = keys.front();
  for (const char* ignored : {"project_name", "np", "open_tracer", "trace_num", "use_cache", "export_shard_size"}) {
    options.value(ignored);
  }
  const Json* const process = options.value("process");
  KEDGE_TRY(options.finish());
  if (process == nullptr || !process->is_array() || process->empty() || process->size() > kStepsMax) {
    return Error{ErrorKind::invalid_input, fmt::format("{}.process: expected a list of operators", name)};
  }
  for (size_t i = 0; i < process->size(); ++i) {
    const Json& entry = (*process)[i];
    const std::string where = fmt::format("{}.process[{}]", name, i);
    if (!entry.is_string() && !(entry.is_object() && entry.size() == 1)) {
      return Error{ErrorKind::invalid_input, where + ": expected one operator and its settings"};
    }
    const std::string op = entry.is_string() ? entry.get<std::string>() : entry.begin().key();
    KEDGE_ASSIGN(StepConfig step,
                 read_juicer_step(op, entry.is_string() ? Json() : entry.begin().value(), where + "." + op));
    pipeline.steps.push_back(std::move(step));
  }
  return pipeline;
}

}  // namespace kedge::curate
