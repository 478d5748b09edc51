#include "curate/pipeline/pipeline.h"

#include <fmt/format.h>

#include "core/file.h"
#include "curate/pipeline/foreign.h"
#include "curate/pipeline/options.h"
#include "curate/pipeline/step.h"
#include "curate/pipeline/yaml.h"

namespace kedge::curate {
namespace {

Result<StepConfig> read_step(const Json& step, const std::string& where) {
  StepConfig config;
  if (step.is_string()) {
    config.op = step.get<std::string>();
    config.options = Json::object();
  } else if (step.is_object() && step.size() == 1) {
    config.op = step.begin().key();
    config.options = step.begin().value().is_null() ? Json::object() : step.begin().value();
  } else {
    return Error{
        ErrorKind::invalid_input,
        fmt::format("{}: found {}, expected one operator: its name, or its name and settings", where, to_text(step))};
  }
  config.where = where + "." + config.op;
  if (find_operator(config.op) == nullptr) {
    std::string names;
    for (const OperatorInfo& info : operators()) names += (names.empty() ? "" : ", ") + std::string(info.name);
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: found '{}', expected an operator: {}", where, config.op, names)};
  }
  return config;
}

Result<Pipeline> read_own(const Json& json, const std::string& name) {
  Pipeline pipeline;
  OptionReader options(json, name);
  pipeline.inputs = options.texts("input");
  pipeline.include_text = options.flag("include_text", false);
  pipeline.output = options.text("output", "");
  pipeline.format = options.choice("format", "jsonl.zst", {"jsonl", "jsonl.gz", "jsonl.zst", "parquet"});
  pipeline.shard_bytes = static_cast<uint64_t>(options.whole("shard_bytes", 0, 0, INT64_MAX));
  pipeline.output_shard_bytes = static_cast<uint64_t>(options.whole("output_shard_bytes", 0, 0, INT64_MAX));
  if (const Json* fields = options.value("fields")) {
    OptionReader names(*fields, name + ".fields");
    pipeline.fields.id = names.text("id", "id");
    pipeline.fields.text = names.text("text", "text");
    pipeline.fields.url = names.text("url", "url");
    pipeline.html_field = names.text("html", "html");
    KEDGE_TRY(names.finish());
  }
  const Json* const steps = options.value("steps");
  KEDGE_TRY(options.finish());
  if (steps == nullptr || !steps->is_array() || steps->empty() || steps->size() > kStepsMax) {
    return Error{
        ErrorKind::invalid_input,
        fmt::format("{}.steps: expected a list of 1 to {} operators (`kedge curate ops` lists them)", name, kStepsMax)};
  }
  for (size_t i = 0; i < steps->size(); ++i) {
    KEDGE_ASSIGN(StepConfig step, read_step((*steps)[i], fmt::format("{}.steps[{}]", name, i)));
    if (step.op == "extract" && i > 0) {
      return Error{ErrorKind::invalid_input, step.where + ": pages are read first: make it the first step"};
    }
    pipeline.steps.push_back(std::move(step));
  }
  return pipeline;
}

}  // namespace

std::string Pipeline::fingerprint() const {
  Json all = {
      {"format", format}, {"fields", {fields.id, fields.text, fields.url, html_field}}, {"steps", Json::array()}};
  if (shard_bytes > 0) all["shard_bytes"] = shard_bytes;
  if (output_shard_bytes > 0) all["output_shard_bytes"] = output_shard_bytes;
  for (const StepConfig& step : steps) all["steps"].push_back({step.op, step.options});
  return to_text(all);
}

Result<Pipeline> parse_pipeline(std::string_view text, std::string_view name) {
  KEDGE_ASSIGN(const Json json, parse_yaml(text, name));
  const std::string where(name);
  if (!json.is_object()) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: found no settings, expected `steps` (a list)", name)};
  }
  if (json.contains("filters")) return read_nemo_filters(json, where);
  if (json.contains("process")) return read_data_juicer(json, where);
  return read_own(json, where);
}

Result<Pipeline> read_pipeline(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const std::string text, read_file(path, kPipelineBytesMax));
  KEDGE_ASSIGN(Pipeline pipeline, parse_pipeline(text, path.filename().string()));
  pipeline.folder = path.parent_path();
  return pipeline;
}

}  // namespace kedge::curate
