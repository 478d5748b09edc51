#pragma once
// What a pipeline does with one document.

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "curate/pipeline/run.h"

namespace kedge::curate {

struct ExplainOptions {
  std::vector<data::Input> inputs;
  std::filesystem::path output;  // of a run of this pipeline, which knows the duplicates; may be empty
  std::string id;                // a string's content, or a number
};

/// {"id","file","kept":true|false|null,"steps":[{"step","keep","reason","changed","details","pieces"},...],"text"}:
/// null where deduplication is to decide and there is no run to ask, and where it is several documents by then. `text`
/// is what is left of it; `pieces` are the places of the text before the step that it cut, replaced or objects to,
/// `{"start","end","text"}` in code points, where it names any. Fails with not_found (no such document) too.
Result<Json> explain(const Pipeline& pipeline, const ExplainOptions& options, WorkerPool& pool,
                     const std::stop_token& stop);

}  // namespace kedge::curate
