#pragma once
// What a run will need, from its first documents.

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "curate/pipeline/run.h"

namespace kedge::curate {

struct Estimate {
  std::vector<std::string> steps;
  size_t stages = 0, shards = 0;
  uint64_t input_bytes = 0;
  uint64_t sampled_documents = 0, sampled_kept = 0;  // of the first stage
  double documents = 0;                              // in all
  double seconds = 0;                                // on this machine, now
  uint64_t output_bytes = 0, work_bytes = 0;         // at most: as if later stages kept all
  uint64_t memory_bytes = 0;                         // besides the program and what it reads at once

  [[nodiscard]] Json to_json() const;
  [[nodiscard]] std::string to_text() const;
};

/// Runs the first stage on the first records of the smallest input that has any. Writes to a temporary folder only.
/// Fails as run_pipeline does.
Result<Estimate> estimate_run(const Pipeline& pipeline, const std::vector<data::Input>& inputs, WorkerPool& pool,
                              const std::stop_token& stop);

}  // namespace kedge::curate
