#pragma once
// Other tools' configurations as pipelines.

#include <string>

#include "curate/pipeline/pipeline.h"

namespace kedge::curate {

/// NeMo Curator 0.8's: `input_field` and `filters`, heuristic ones. They decide in their order.
Result<Pipeline> read_nemo_filters(const Json& json, const std::string& name);

/// data-juicer's: `dataset_path`, `export_path`, `text_keys` and `process`, operators that have a counterpart.
Result<Pipeline> read_data_juicer(const Json& json, const std::string& name);

}  // namespace kedge::curate
