#include "curate/pipeline/estimate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "curate/pipeline/estimate_dedup.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr double kShareOfZstd = 0.35;  // of a line's bytes, in its file
constexpr uint64_t kSampleRecords = 2000;
constexpr double kWordBytes = 6;

/// A folder that goes with this object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code code;
    std::string pattern = (fs::temp_directory_path(code) / "kedge-estimate-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code code;
    if (!path_.empty()) fs::remove_all(path_, code);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

struct SampleRun {
  ShardResult result;
  double share = 0;    // of the input that was read
  double seconds = 0;  // for it
};

/// The first stage over the beginning of one input.
Result<SampleRun> sample_run(const Pipeline& pipeline, const Stages& stages, const data::Input& input,
                             const fs::path& output, WorkerPool& pool) {
  ShardJob job{.inputs = {input},
               .output = output,
               .rejects = {},
               .fields = input_fields(pipeline, stages),
               .text_field = pipeline.fields.text,
               .duplicates = {},
               .records_enough = kSampleRecords};
  const auto begin = std::chrono::steady_clock::now();
  SampleRun run;
  Events events;
  events.on_progress = [&](uint64_t, double share) { run.share = share; };
  KEDGE_ASSIGN(run.result, run_shard(stages.stages.front(), job, pool, events, {}));
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (run.share == 0 || run.result.statistics.in < kSampleRecords) run.share = 1;
  return run;
}

}  // namespace

Result<Estimate> estimate_run(const Pipeline& pipeline, const std::vector<data::Input>& inputs, WorkerPool& pool,
                              const std::stop_token& stop) {
  KEDGE_ASSIGN(const Stages stages, make_stages(pipeline));
  Estimate estimate;
  estimate.steps = stages.labels;
  estimate.stages = stages.stages.size();
  estimate.shards = data::group_inputs(inputs, pipeline.shard_bytes).size();
  const data::Input* sampled = nullptr;
  uint64_t sampled_bytes = 0;
  for (const data::Input& input : inputs) {
    std::error_code code;
    const auto size = fs::file_size(input.path, code);
    if (code) return Error{ErrorKind::not_found, fmt::format("{}: {}", input.path.string(), code.message())};
    estimate.input_bytes += size;
    if (size > 0 && (sampled == nullptr || size < sampled_bytes)) {  // the smallest that has anything
      sampled = &input;
      sampled_bytes = size;
    }
  }
  if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
  if (sampled == nullptr) return estimate;
  const TemporaryFolder folder;
  if (folder.path().empty()) return Error{ErrorKind::unavailable, "no temporary folder can be made"};
  const fs::path output = folder.path() / "sample.jsonl.zst";
  KEDGE_ASSIGN(const SampleRun run, sample_run(pipeline, stages, *sampled, output, pool));
  const StageStatistics& seen = run.result.statistics;
  const double factor = static_cast<double>(estimate.input_bytes) / (static_cast<double>(sampled_bytes) * run.share);
  estimate.sampled_documents = seen.in;
  estimate.sampled_kept = seen.kept;
  estimate.documents = static_cast<double>(seen.in) * factor;
  estimate.seconds = run.seconds * factor;
  estimate.output_bytes = static_cast<uint64_t>(static_cast<double>(run.result.bytes()) * factor);
  const uint64_t stage_bytes = estimate.output_bytes;
  if (pipeline.format == "jsonl") {
    estimate.output_bytes = static_cast<uint64_t>(static_cast<double>(estimate.output_bytes) / kShareOfZstd);
  }
  const SampledStage stage{output, pipeline.fields, static_cast<double>(seen.kept) * factor,
                           static_cast<double>(seen.bytes_kept) * factor / kWordBytes, factor};
  for (const DedupOptions& dedup : stages.dedups) {
    KEDGE_ASSIGN(const DedupNeed need, estimate_dedup(stage, dedup, pool, stop));
    estimate.work_bytes += stage_bytes + need.disk_bytes;
    estimate.memory_bytes = std::max(estimate.memory_bytes, need.memory_bytes);
  }
  return estimate;
}

Json Estimate::to_json() const {
  return {{"steps", steps},
          {"stages", stages},
          {"shards", shards},
          {"input_bytes", input_bytes},
          {"sampled_documents", sampled_documents},
          {"sampled_kept", sampled_kept},
          {"documents", static_cast<uint64_t>(documents)},
          {"seconds", seconds},
          {"output_bytes", output_bytes},
          {"work_bytes", work_bytes},
          {"memory_bytes", memory_bytes}};
}

std::string Estimate::to_text() const {
  const auto megabytes = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  return fmt::format(
      "{} shards, {:.1f} MB; {} stages: {}\n"
      "about {:.0f} documents, {:.0f} s of the first stage on this machine, {:.1f} MB of output\n"
      "disk while it runs: {:.1f} MB more; memory of deduplication: {:.1f} MB\n"
      "(from {} documents, of which the first stage kept {}; nothing was written)\n",
      shards, megabytes(input_bytes), stages, fmt::join(steps, ", "), documents, seconds, megabytes(output_bytes),
      megabytes(work_bytes), megabytes(memory_bytes), sampled_documents, sampled_kept);
}

}  // namespace kedge::curate
