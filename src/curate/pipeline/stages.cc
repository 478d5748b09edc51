// Steps become stages: what lies between two deduplications is done shard by shard.
#include "curate/pipeline/dedup_step.h"
#include "curate/pipeline/run.h"

namespace kedge::curate {
namespace {

Result<std::optional<VectorSource>> open_vector_source(const SemanticSource& source,
                                                       const std::filesystem::path& folder) {
  VectorSource opened;
  opened.field = source.field;
  if (!source.model.empty()) {
    KEDGE_ASSIGN(opened.model, open_text_model(source.model, folder));
  }
  return std::optional(std::move(opened));
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
    KEDGE_ASSIGN(const DedupOptions dedup, read_dedup(options, pipeline.folder));
    all.labels.push_back(label_of(dedup));
    if (dedup.method == DedupMethod::semantic) {
      KEDGE_ASSIGN(all.stages.back().vectors, open_vector_source(dedup.embeddings, pipeline.folder));
    } else {
      all.stages.back().keys = std::make_unique<KeyMaker>(dedup);
    }
    all.dedups.push_back(dedup);
    all.stages.emplace_back();
    all.stages.back().after_dedup = true;
    all.stages.back().before = dedup;
  }
  return all;
}

data::Fields input_fields(const Pipeline& pipeline, const Stages& stages) {
  data::Fields fields = pipeline.fields;
  fields.others = true;
  if (stages.stages.front().extracts) fields.text = pipeline.html_field;
  return fields;
}

}  // namespace kedge::curate
