// Steps become stages: what lies between two deduplications, or takings out of evaluation items, is done shard by
// shard.
#include <algorithm>

#include "curate/pipeline/dedup_step.h"
#include "curate/pipeline/run.h"
#include "curate/pipeline/steps.h"

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

/// What must see all documents before it changes any; nothing for other steps.
Result<std::optional<DedupOptions>> read_boundary(const StepConfig& config, OptionReader& options,
                                                  const std::filesystem::path& folder) {
  if (takes_items_out(config)) {
    KEDGE_ASSIGN(auto tasks, read_task_removal(options, folder));
    return std::optional(std::move(tasks));
  }
  if (find_operator(config.op)->make != nullptr) return std::optional<DedupOptions>();
  KEDGE_ASSIGN(auto dedup, read_dedup(options, folder));
  return std::optional(std::move(dedup));
}

}  // namespace

bool Stages::split_documents() const {
  return std::ranges::any_of(dedups, [](const DedupOptions& dedup) { return dedup.method == DedupMethod::tasks; });
}

Result<Stages> make_stages(const Pipeline& pipeline) {
  Stages all;
  all.stages.emplace_back();
  for (const StepConfig& config : pipeline.steps) {
    OptionReader options(config.options, config.where);
    KEDGE_ASSIGN(const auto boundary, read_boundary(config, options, pipeline.folder));
    if (!boundary) {
      KEDGE_ASSIGN(auto step, find_operator(config.op)->make(options, pipeline.folder));
      all.labels.push_back(step->label());
      all.stages.back().extracts = all.stages.back().extracts || step->reads_pages();
      all.stages.back().steps.push_back(std::move(step));
      continue;
    }
    const DedupOptions& dedup = *boundary;
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
