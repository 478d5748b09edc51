// Steps become stages: what lies between two deduplications is done shard by shard.
#include <fmt/format.h>

#include "curate/pipeline/run.h"

namespace kedge::curate {
namespace {

Result<DedupOptions> read_dedup(OptionReader& options) {
  DedupOptions dedup;
  const std::string method = options.choice("method", "fuzzy", {"exact", "fuzzy"});
  const std::string form = options.choice("normalize", "none", {"none", "text"});
  const std::string parameters = options.choice("params", "kedge", {"kedge", "datatrove", "nemo"});
  dedup.method = method == "exact" ? DedupMethod::exact : DedupMethod::fuzzy;
  dedup.normalization = form == "text" ? Normalization::text : Normalization::none;
  dedup.parameters = parameters == "datatrove" ? FuzzyParameters::datatrove
                     : parameters == "nemo"    ? FuzzyParameters::nemo
                                               : FuzzyParameters::kedge;
  dedup.verify = options.flag("verify", true) && dedup.method == DedupMethod::fuzzy;
  dedup.jaccard_min = options.number("min_jaccard", 0.7, 0, 1);
  KEDGE_TRY(options.finish());
  return dedup;
}

std::string label_of(const DedupOptions& dedup) {
  return dedup.method == DedupMethod::exact ? "dedup exact" : "dedup fuzzy";
}

}  // namespace

Result<Stages> make_stages(const Pipeline& pipeline) {
  Stages all;
  all.stages.emplace_back();
  for (const StepConfig& config : pipeline.steps) {
    OptionReader options(config.options, config.where);
    const OperatorInfo* const info = find_operator(config.op);
    if (info->make != nullptr) {
      KEDGE_ASSIGN(auto step, info->make(options, pipeline.folder));
      all.labels.push_back(step->label());
      all.stages.back().extracts = all.stages.back().extracts || step->reads_pages();
      all.stages.back().steps.push_back(std::move(step));
      continue;
    }
    KEDGE_ASSIGN(const DedupOptions dedup, read_dedup(options));
    all.labels.push_back(label_of(dedup));
    all.stages.back().keys = std::make_unique<KeyMaker>(dedup);
    all.dedups.push_back(dedup);
    all.stages.emplace_back();
    all.stages.back().after_dedup = true;
  }
  return all;
}

data::Fields input_fields(const Pipeline& pipeline, const Stages& stages) {
  data::Fields fields = pipeline.fields;
  if (stages.stages.front().extracts) fields.text = pipeline.html_field;
  return fields;
}

}  // namespace kedge::curate
