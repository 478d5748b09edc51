#pragma once
// Runs a pipeline over shards, and goes on where an earlier run stopped.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "curate/pipeline/pipeline.h"
#include "curate/pipeline/shard.h"
#include "data/input.h"
#include "data/record.h"
#include "kedge/result.h"

namespace kedge::curate {

/// Which files of folders are inputs.
struct InputChoice {
  bool include_text = false;      // documents (Markdown, plain text, PDF, HTML) that lie beside files of records too
  uint64_t passed_over = 0;       // of those, where they are not; counted here
  std::filesystem::path example;  // the first one
  std::filesystem::path output;   // a folder below an input's folder that is none itself
  /// What there is to say of it; empty: nothing.
  [[nodiscard]] std::string note() const;
};

struct RunOptions {
  std::vector<data::Input> inputs;  // shards as data::group_inputs makes them, in this order
  InputChoice choice;               // for the report
  std::filesystem::path output;     // folder; made where it is not there
  uint32_t part = 0, parts = 1;     // of the shards this process does those whose number % parts is part
  bool keep_work = false;           // files between stages stay when all is done
};

struct RunProgress {
  size_t stage = 0, stages = 0;
  size_t shard = 0, shards = 0;  // of this process
  uint64_t documents = 0;        // of the shard at hand
  double share = 0;              // of this process's work
};

struct RunEvents {
  std::function<void(const data::Reject&)> on_reject;
  std::function<void(const RunProgress&)> on_progress;
};

/// Input files: patterns and folders become the files in them that hold records by their names, sorted; a folder
/// without such files (or by `choice`) its documents, their ids the paths in it; "-" standard input, which is read to
/// its end. Fails with not_found, naming what there is none of.
Result<std::vector<data::Input>> expand_inputs(const std::vector<std::string>& inputs,
                                               const std::filesystem::path& folder, InputChoice& choice);
Result<std::vector<data::Input>> expand_inputs(const std::vector<std::string>& inputs,
                                               const std::filesystem::path& folder);

/// Writes `output`/shard-NNNNN.FORMAT for each shard, `output`/rejects/ and, when the last shard is done,
/// `output`/report.json and report.html. A file is there whole or not at all, and each finished shard has a marker with
/// its checksum in `output`/work; what is finished is not done again. The same bytes whatever the threads, parts and
/// interruptions. Returns the report; {"complete":false,...} while other processes have shards to do. Fails with
/// invalid_input (another run's output is there), corrupt_data (nothing could be read), cancelled.
Result<Json> run_pipeline(const Pipeline& pipeline, const RunOptions& options, WorkerPool& pool,
                          const RunEvents& events, const std::stop_token& stop);

/// run_pipeline taken apart, for whoever hands out the shards to processes, or machines that share the output's folder:
/// prepare once; each shard through stage 0, in any order and place; link stage 0; the same of stage 1, ...; finish
/// once. One thread at a time. Calls fail as run_pipeline does.
class RunParts {
 public:
  /// Reads no document; loads the models. REQUIRES: `pool` outlives this.
  static Result<RunParts> open(Pipeline pipeline, RunOptions options, WorkerPool& pool, RunEvents events,
                               std::stop_token stop);
  RunParts(RunParts&&) noexcept;
  RunParts& operator=(RunParts&&) = delete;
  ~RunParts();

  /// Before any shard, while nobody else is at work.
  Status prepare();
  [[nodiscard]] size_t stages() const;
  [[nodiscard]] size_t shards() const;
  /// Nothing but `finish` is left to do.
  [[nodiscard]] bool is_finished() const;
  /// Does nothing where it is done and whole. Fails with invalid_input too where another run was prepared, be it of
  /// other files by the same names. REQUIRES: stage < stages(), shard < shards().
  Status finish_shard(size_t stage, size_t shard);
  /// REQUIRES: all shards are through `stage`, which is not the last one.
  Status link(size_t stage);
  /// The report. REQUIRES: all shards are through all stages.
  Result<Json> finish();

 private:
  struct State;
  explicit RunParts(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Stages of a pipeline, with the deduplication (or taking out of evaluation items) after each but the last.
struct Stages {
  std::vector<Stage> stages;
  std::vector<DedupOptions> dedups;
  std::vector<std::string> labels;  // of all steps, deduplication too, in order

  /// Whether one of them may make several documents of one.
  [[nodiscard]] bool split_documents() const;
};
Result<Stages> make_stages(const Pipeline& pipeline);

/// Fields that the first stage reads.
data::Fields input_fields(const Pipeline& pipeline, const Stages& stages);

}  // namespace kedge::curate
