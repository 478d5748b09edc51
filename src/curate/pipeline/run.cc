#include "curate/pipeline/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <unordered_map>

#include "curate/pipeline/link.h"
#include "curate/pipeline/report.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMarkerBytesMax = size_t{64} << 20;

Status make_folder(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (!code) return Done{};
  return Error{ErrorKind::unavailable, fmt::format("{}: cannot be made: {}", path.string(), code.message())};
}

Status write_whole(const fs::path& path, std::string_view text) {
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
  KEDGE_TRY(file.write(text));
  return file.commit();
}

/// Held while one process links; others wait for it.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& path) : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    while (file_ >= 0 && !held_) {
      held_ = ::flock(file_, LOCK_EX) == 0;
      if (!held_ && errno != EINTR) break;
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    if (file_ >= 0) ::close(file_);
  }
  /// False where the file system knows no locks.
  [[nodiscard]] bool held() const { return held_; }

 private:
  int file_;
  bool held_ = false;
};

/// Where things lie in a run's folder.
class Layout {
 public:
  Layout(fs::path output, std::string format, size_t stages)
      : output_(std::move(output)), format_(std::move(format)), stages_(stages) {}

  [[nodiscard]] fs::path identity() const { return output_ / "work" / "run.json"; }
  [[nodiscard]] fs::path stage_folder(size_t stage) const { return output_ / "work" / fmt::format("stage-{}", stage); }
  [[nodiscard]] fs::path dedup_folder(size_t stage) const { return output_ / "work" / fmt::format("dedup-{}", stage); }
  [[nodiscard]] fs::path rejects(size_t stage, size_t shard) const {
    const std::string later = stage == 0 ? std::string() : fmt::format(".stage-{}", stage);
    return output_ / "rejects" / (name(shard) + later + ".jsonl");
  }
  [[nodiscard]] fs::path marker(size_t stage, size_t shard) const {
    return stage_folder(stage) / (name(shard) + ".json");
  }
  [[nodiscard]] fs::path duplicates(size_t stage, size_t shard) const {
    return dedup_folder(stage) / (name(shard) + ".jsonl");
  }
  /// Of the process that does this part: what it leaves when it is killed, its next run removes.
  [[nodiscard]] fs::path spill(size_t stage, size_t part) const {
    return dedup_folder(stage) / fmt::format("part-{:05}.tmp-spill", part);
  }
  [[nodiscard]] fs::path clusters(size_t stage) const { return dedup_folder(stage) / "clusters.jsonl"; }
  [[nodiscard]] fs::path linked(size_t stage) const { return dedup_folder(stage) / "linked.json"; }
  [[nodiscard]] fs::path data(size_t stage, size_t shard) const {
    if (stage + 1 == stages_) return output_ / (name(shard) + "." + format_);
    return stage_folder(stage) / (name(shard) + ".jsonl.zst");
  }

  static std::string name(size_t shard) { return fmt::format("shard-{:05}", shard); }

 private:
  fs::path output_;
  std::string format_;
  size_t stages_;
};

class Run {
 public:
  Run(const Pipeline& pipeline, const RunOptions& options, WorkerPool& pool, const RunEvents& events,
      const std::stop_token& stop)
      : pipeline_(pipeline), options_(options), pool_(pool), events_(events), stop_(stop) {}

  Result<Json> run() {
    KEDGE_TRY(identify());
    KEDGE_TRY(prepare());
    for (size_t stage = last(); stage < stages_.stages.size(); --stage) {  // what is finished and whole
      for (const size_t shard : mine_) done_[stage].push_back(is_done(stage, shard));
    }
    const bool all_done = std::ranges::all_of(done_[last()], [](bool done) { return done; });
    for (size_t stage = all_done ? last() : 0; stage < stages_.stages.size(); ++stage) {
      KEDGE_TRY(run_stage(stage));
      KEDGE_ASSIGN(const size_t open, open_shards(stage));
      if (open > 0) return unfinished(stage, open);
      if (stage < last()) KEDGE_TRY(link(stage));
    }
    return finish();
  }

 private:
  friend class kedge::curate::RunParts;
  [[nodiscard]] size_t last() const { return stages_.stages.size() - 1; }
  [[nodiscard]] size_t shards() const { return shards_.size(); }

  /// The stages, which shards are this process's, and what makes this run.
  Status identify() {
    KEDGE_ASSIGN(stages_, make_stages(pipeline_));
    shards_ = data::group_inputs(options_.inputs, pipeline_.shard_bytes);
    layout_.emplace(options_.output, pipeline_.format, stages_.stages.size());
    for (size_t shard = options_.part; shard < shards(); shard += options_.parts) mine_.push_back(shard);
    done_.resize(stages_.stages.size());
    files_ = {{"pipeline", pipeline_.fingerprint()}, {"inputs", Json::array()}, {"models", Json::array()}};
    for (const data::Input& input : options_.inputs) {
      std::error_code code;
      const auto size = fs::file_size(input.path, code);
      if (code) return Error{ErrorKind::not_found, fmt::format("{}: {}", input.path.string(), code.message())};
      const bool stream = input.id == data::kStandardInput;
      files_["inputs"].push_back(stream ? Json({input.id, size}) : state_of(input.path));
    }
    for (const StepConfig& step : pipeline_.steps) add_files(step.options);
    std::error_code code;
    identity_ = fs::absolute(options_.output, code).lexically_normal().string() + " " + to_text(files_);
    return Done{};
  }

  /// What tells a file from another of its name.
  static Json state_of(const fs::path& path) {
    std::error_code code;
    const auto changed = fs::last_write_time(path, code).time_since_epoch();
    return {path.string(), fs::file_size(path, code),
            std::chrono::duration_cast<std::chrono::seconds>(changed).count()};
  }
  /// Files that a step's options name: models, lists, patterns.
  void add_files(const Json& options) {
    if (options.is_structured()) {
      for (const Json& option : options) add_files(option);
    }
    if (!options.is_string()) return;
    const fs::path path = pipeline_.folder / options.get<std::string>();
    std::error_code code;
    if (fs::is_regular_file(path, code)) files_["models"].push_back(state_of(path));
  }

  /// The folders, and that it is this run which is in them.
  Status prepare() const {
    for (size_t stage = 0; stage < stages_.stages.size(); ++stage) {
      KEDGE_TRY(make_folder(layout_->stage_folder(stage)));
      if (stage < last()) KEDGE_TRY(make_folder(layout_->dedup_folder(stage)));
    }
    KEDGE_TRY(make_folder(options_.output / "rejects"));
    const bool begun = read_json_file(layout_->identity()).ok();
    if (begun) KEDGE_TRY(check_identity());
    for (const fs::path& folder : {options_.output, options_.output / "rejects", options_.output / "work"}) {
      remove_torn(folder);
    }
    return begun ? Status(Done{}) : write_whole(layout_->identity(), to_text(files_));
  }

  [[nodiscard]] Status check_identity() const {
    const auto found = read_json_file(layout_->identity());
    if (found.ok() && found.value() == files_) return Done{};
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: holds another run, of other inputs or another pipeline; choose another folder, or "
                             "remove this one",
                             options_.output.string())};
  }

  /// Files that a killed process of this part was writing, in one folder of the run (the output's: only in itself). A
  /// deduplication's folder is of whoever links there.
  void remove_torn(const fs::path& folder) const {
    std::error_code code;
    std::vector<fs::path> torn;
    for (auto entry = fs::recursive_directory_iterator(folder, code); !code && entry != fs::end(entry);
         entry.increment(code)) {
      if (folder == options_.output) entry.disable_recursion_pending();
      const std::string name = entry->path().filename().string();
      const bool of_report = name.starts_with("report.") && options_.parts == 1;
      const bool of_part = name.starts_with(layout_->spill(0, options_.part).filename().string());
      const bool of_shard = !is_links(entry->path()) && std::ranges::any_of(mine_, [&](size_t shard) {
        return name.starts_with(Layout::name(shard) + ".");
      });
      const bool of_run = options_.parts == 1 && folder != options_.output;
      const bool own = of_report || of_part || of_shard || of_run;
      if (own && name.find(".tmp-") != std::string::npos) torn.push_back(entry->path());
    }
    for (const fs::path& path : torn) fs::remove_all(path, code);
  }
  static bool is_links(const fs::path& path) { return path.parent_path().filename().string().starts_with("dedup-"); }

  /// Files that a killed process was writing while it linked. REQUIRES: the folder's lock is held.
  void remove_torn_links(size_t stage) const {
    std::error_code code;
    std::vector<fs::path> torn;
    for (const auto& entry : fs::directory_iterator(layout_->dedup_folder(stage), code)) {
      const bool written = entry.path().filename().string().find(".tmp-") != std::string::npos;
      if (written && entry.is_regular_file(code)) torn.push_back(entry.path());
    }
    torn.push_back(layout_->spill(stage, options_.part));
    for (const fs::path& path : torn) fs::remove_all(path, code);
  }

  /// A shard's marker, if it and what it speaks of are there and whole.
  [[nodiscard]] std::optional<Json> marker(size_t stage, size_t shard, bool check_bytes) const {
    const auto json = read_json_file(layout_->marker(stage, shard));
    if (!json.ok() || !json.value().is_object()) return std::nullopt;
    const Json& marker = json.value();
    if (!marker.contains("statistics")) return std::nullopt;
    std::error_code code;
    const fs::path data = layout_->data(stage, shard);
    for (const char* files : {"keys", "files"}) {
      if (!are_whole(data.parent_path(), marker.value(files, Json::array()), check_bytes)) return std::nullopt;
    }
    const bool embeds = stages_.stages[stage].vectors.has_value();
    if (embeds && !fs::exists(vector_files_of(data).vectors, code)) return std::nullopt;
    const bool whole = marker.contains("files") || is_whole(data, marker, check_bytes);
    return whole ? std::optional(marker) : std::nullopt;
  }
  static bool are_whole(const fs::path& folder, const Json& files, bool check_bytes) {
    return std::ranges::all_of(files, [&](const Json& file) {
      return file.contains("name") && file["name"].is_string() &&
             is_whole(folder / file["name"].get<std::string>(), file, check_bytes);
    });
  }
  static bool is_whole(const fs::path& path, const Json& said, bool check_bytes) {
    if (!said.contains("bytes") || !said.contains("checksum")) return false;
    std::error_code code;
    if (fs::file_size(path, code) != said["bytes"] || code) return false;
    if (!check_bytes) return true;
    const auto checksum = data::file_checksum(path);
    return checksum.ok() && said["checksum"] == fmt::format("{:016x}", checksum.value());
  }
  [[nodiscard]] bool is_done(size_t stage, size_t shard) const { return marker(stage, shard, true).has_value(); }

  Status run_stage(size_t stage) {
    for (size_t i = 0; i < mine_.size(); ++i) {
      if (done_[stage][i]) continue;
      KEDGE_TRY(run_one(stage, i));
      done_[stage][i] = true;
    }
    return Done{};
  }

  Status run_one(size_t stage, size_t index) {
    const size_t shard = mine_[index];
    ShardJob job;
    if (stage == 0) {
      job.inputs = shards_[shard];
    } else {
      job.inputs = {layout_->data(stage - 1, shard)};
    }
    job.output = layout_->data(stage, shard);
    job.rejects = layout_->rejects(stage, shard);
    job.fields = stage == 0 ? input_fields(pipeline_, stages_) : pipeline_.fields;
    job.text_field = pipeline_.fields.text;
    if (pipeline_.format == "parquet") prepare_parquet(job, stage, shards_[shard].front().path);
    if (stages_.split_documents()) prepare_split(job, stage);
    if (stage == last()) job.output_bytes = pipeline_.output_shard_bytes;
    if (stage > 0) {
      KEDGE_ASSIGN(job.duplicates, read_duplicates(layout_->duplicates(stage - 1, shard)));
    }
    Events events;
    events.on_reject = events_.on_reject;
    events.on_progress = [&](uint64_t documents, double share) { progress(stage, index, documents, share); };
    KEDGE_ASSIGN(ShardResult result, run_shard(stages_.stages[stage], job, pool_, events, stop_));
    Json marker = Json::object();
    const auto add = [](Json& to, const data::WrittenFile& file) {
      to["bytes"] = file.bytes;
      to["checksum"] = fmt::format("{:016x}", file.checksum);
    };
    const auto list = [&](const char* name, const std::vector<data::WrittenFile>& files) {
      marker[name] = Json::array();
      for (const data::WrittenFile& file : files) {
        marker[name].push_back({{"name", file.name}});
        add(marker[name].back(), file);
      }
    };
    if (job.output_bytes == 0) {
      add(marker, result.output.front());
    } else {
      list("files", result.output);
    }
    if (!result.keys.empty()) list("keys", result.keys);
    marker["statistics"] = result.statistics.to_json();
    return write_whole(layout_->marker(stage, shard), to_text(marker));
  }

  /// Rows that become rows again keep their columns as they are: these are not in the lines between stages.
  void prepare_parquet(ShardJob& job, size_t stage, const fs::path& input) const {
    if (!data::is_parquet(input)) return;
    job.fields.others = false;
    job.number_rows = stage == 0;
    if (stage < last()) return;
    const bool extracts = stages_.stages.front().extracts;
    job.parquet = {input, pipeline_.fields, extracts ? pipeline_.html_field : std::string()};
  }

  /// Between stages lines say of which document they are.
  void prepare_split(ShardJob& job, size_t stage) const {
    job.number_documents = stage == 0;
    job.numbered = stage > 0;
    if (stage < last()) return;
    job.forget_numbers = job.parquet.source.empty();
    job.text_ids = pipeline_.format == "parquet";
    job.parquet.ids_change = true;
  }

  void progress(size_t stage, size_t index, uint64_t documents, double share) const {
    if (!events_.on_progress) return;
    const auto of_stages = static_cast<double>(stages_.stages.size());
    const double in_stage = (static_cast<double>(index) + share) / static_cast<double>(mine_.size());
    events_.on_progress({stage, stages_.stages.size(), index, mine_.size(), documents,
                         (static_cast<double>(stage) + in_stage) / of_stages});
  }

  /// Of all processes.
  Result<size_t> open_shards(size_t stage) const {
    if (options_.parts == 1) return size_t{0};
    size_t open = 0;
    for (size_t shard = 0; shard < shards(); ++shard) {
      if (!marker(stage, shard, false)) ++open;
    }
    return open;
  }

  [[nodiscard]] Json unfinished(size_t stage, size_t open) const {
    return {{"complete", false}, {"stage", stage}, {"stages", stages_.stages.size()}, {"open_shards", open}};
  }

  Status link(size_t stage) {
    const FolderLock lock(layout_->dedup_folder(stage) / "lock");
    if (read_json_file(layout_->linked(stage)).ok() && links_are_there(stage)) return Done{};
    if (lock.held()) remove_torn_links(stage);
    LinkJob job;
    job.spill = layout_->spill(stage, options_.part);
    KEDGE_TRY(make_folder(job.spill));
    job.clusters = layout_->clusters(stage);
    job.fields = pipeline_.fields;
    job.identity = identity_ + fmt::format(" {}", stage);
    for (size_t shard = 0; shard < shards(); ++shard) {
      job.outputs.push_back(layout_->data(stage, shard));
      job.duplicates.push_back(layout_->duplicates(stage, shard));
    }
    const Result<Json> summary = link_shards(job, stages_.dedups[stage], pool_, stop_);
    std::error_code code;
    fs::remove_all(job.spill, code);
    if (!summary.ok()) return summary.error();
    return write_whole(layout_->linked(stage), to_text(summary.value()));
  }
  [[nodiscard]] bool links_are_there(size_t stage) const {
    std::error_code code;
    for (const size_t shard : mine_) {
      if (!fs::exists(layout_->duplicates(stage, shard), code)) return false;
    }
    return true;
  }

  Result<Json> finish() {
    Report report;
    report.labels = stages_.labels;
    for (size_t stage = 0; stage < stages_.stages.size(); ++stage) {
      StageStatistics all;
      for (size_t shard = 0; shard < shards(); ++shard) {
        KEDGE_ASSIGN(const Json marker, read_json_file(layout_->marker(stage, shard)));
        KEDGE_ASSIGN(const StageStatistics statistics, StageStatistics::from_json(marker["statistics"]));
        all.add(statistics);
      }
      report.stages.push_back(std::move(all));
      std::vector<std::vector<ValueRange>> ranges;
      if (stages_.stages[stage].after_dedup) ranges.emplace_back();
      for (const auto& step : stages_.stages[stage].steps) ranges.push_back(step->value_ranges());
      report.ranges.insert(report.ranges.end(), ranges.begin(), ranges.end());
      if (stage == last()) continue;
      KEDGE_ASSIGN(Json linked, read_json_file(layout_->linked(stage)));
      report.dedups.push_back(std::move(linked));
    }
    report.inputs = options_.inputs.size();
    report.passed_over = options_.choice.passed_over;
    report.passed_over_example = options_.choice.example.string();
    const Json json = report.to_json();
    if (report.stages.front().in > 0 && report.stages.front().in == report.stages.front().rejected) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("nothing could be read; {} says why", (options_.output / "rejects").string())};
    }
    KEDGE_TRY(write_whole(options_.output / "report.json", json.dump(1) + "\n"));
    KEDGE_TRY(write_whole(options_.output / "report.html", report_page(json)));
    if (!options_.keep_work) remove_work();
    return json;
  }

  /// Documents and keys between stages; markers stay.
  void remove_work() const {
    std::error_code code;
    for (size_t stage = 0; stage < last(); ++stage) {
      for (size_t shard = 0; shard < shards(); ++shard) {
        const fs::path data = layout_->data(stage, shard);
        const KeyFiles keys = key_files_of(data);
        for (const fs::path& path :
             {data, keys.keys, keys.offsets, keys.shingles, keys.ids, vector_files_of(data).vectors}) {
          fs::remove(path, code);
        }
      }
    }
  }

  const Pipeline& pipeline_;
  const RunOptions& options_;
  WorkerPool& pool_;
  const RunEvents& events_;
  const std::stop_token& stop_;
  Stages stages_;
  std::optional<Layout> layout_;
  Json files_;  // the pipeline and its inputs, as run.json has them
  std::string identity_;
  std::vector<std::vector<data::Input>> shards_;
  std::vector<size_t> mine_;             // shards of this process
  std::vector<std::vector<bool>> done_;  // by stage, of mine_
};

bool holds_records(const fs::path& path) {
  constexpr std::array<std::string_view, 17> kEndings = {
      ".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.bz2", ".json.gz", ".parquet", ".warc",    ".warc.gz", ".ndjson",
      ".xml",   ".xml.gz",   ".xml.bz2",   ".xml.zst",   ".tar",     ".tar.gz",  ".tar.bz2", ".tgz"};
  const std::string name = path.filename().string();
  return std::ranges::any_of(kEndings, [&](std::string_view ending) { return name.ends_with(ending); });
}

/// Files of a folder and of those in it, sorted: of records, or where there is none, documents; or both. Fails when a
/// folder cannot be read.
Result<std::vector<data::Input>> files_in(const fs::path& folder, InputChoice& choice) {
  std::vector<fs::path> records, documents;
  std::error_code code, ignored;
  fs::path last = folder;
  for (auto entry = fs::recursive_directory_iterator(folder, code); !code && entry != fs::end(entry);
       entry.increment(code)) {
    last = entry->path();
    if (entry->is_directory(ignored) && fs::equivalent(last, choice.output, ignored)) entry.disable_recursion_pending();
    if (!entry->is_regular_file(ignored)) continue;
    if (holds_records(last)) records.push_back(last);
    if (data::is_document_name(last)) documents.push_back(last);
  }
  if (code) return Error{ErrorKind::unavailable, fmt::format("{}: cannot be read: {}", last.string(), code.message())};
  std::ranges::sort(documents);
  if (records.empty() || choice.include_text) {
    records.insert(records.end(), documents.begin(), documents.end());
  } else if (!documents.empty()) {
    if (choice.passed_over == 0) choice.example = documents.front();
    choice.passed_over += documents.size();
  }
  std::ranges::sort(records);
  std::vector<data::Input> inputs(records.begin(), records.end());
  for (data::Input& input : inputs) input.id = input.path.lexically_relative(folder).string();
  return inputs;
}

std::vector<fs::path> files_like(const fs::path& pattern) {
  std::vector<fs::path> files;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {  // sorted
    for (size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return files;
}

}  // namespace

std::string InputChoice::note() const {
  if (passed_over == 0) return {};
  return fmt::format("{} files of text beside files of records are left out, such as {}; --include-text takes them",
                     passed_over, example.string());
}

Result<std::vector<data::Input>> expand_inputs(const std::vector<std::string>& inputs, const fs::path& folder) {
  InputChoice choice;
  return expand_inputs(inputs, folder, choice);
}

Result<std::vector<data::Input>> expand_inputs(const std::vector<std::string>& inputs, const fs::path& folder,
                                               InputChoice& choice) {
  std::vector<data::Input> files;
  std::unordered_map<std::string, bool> seen;  // by path: whether it was named itself
  for (const std::string& input : inputs) {
    if (input == data::kStandardInput) {
      KEDGE_ASSIGN(data::Input stream, data::keep_stream(STDIN_FILENO));
      files.push_back(std::move(stream));
      continue;
    }
    const fs::path path = folder / input;
    std::error_code code;
    std::vector<data::Input> found;
    if (fs::is_directory(path, code)) {
      KEDGE_ASSIGN(found, files_in(path, choice));
    } else if (fs::exists(path, code)) {
      found = {path};
    } else {
      for (fs::path& file : files_like(path)) found.emplace_back(std::move(file));
    }
    const bool named = found.size() == 1 && found.front().path == path;
    if (found.empty()) {
      return Error{ErrorKind::not_found,
                   fmt::format("{}: found no file of records, expected JSONL, Parquet or WARC files", path.string())};
    }
    for (data::Input& file : found) {  // once, unless it is named twice
      const auto [known, fresh] = seen.emplace(fs::weakly_canonical(file.path, code).string(), named);
      if (fresh || (named && known->second)) files.push_back(std::move(file));
    }
  }
  return files;
}

struct RunParts::State {
  State(Pipeline the_pipeline, RunOptions the_options, WorkerPool& pool, RunEvents the_events, std::stop_token the_stop)
      : pipeline(std::move(the_pipeline)),
        options(std::move(the_options)),
        events(std::move(the_events)),
        stop(std::move(the_stop)),
        run(pipeline, options, pool, events, stop) {}

  Pipeline pipeline;
  RunOptions options;
  RunEvents events;
  std::stop_token stop;
  Run run;
  bool joined = false;  // the folder holds this run
};

RunParts::RunParts(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunParts::RunParts(RunParts&&) noexcept = default;
RunParts::~RunParts() = default;

Result<RunParts> RunParts::open(Pipeline pipeline, RunOptions options, WorkerPool& pool, RunEvents events,
                                std::stop_token stop) {
  options.part = 0;
  options.parts = 1;
  auto state =
      std::make_unique<State>(std::move(pipeline), std::move(options), pool, std::move(events), std::move(stop));
  KEDGE_TRY(state->run.identify());
  return RunParts(std::move(state));
}

Status RunParts::prepare() {
  return state_->run.prepare();
}

size_t RunParts::stages() const {
  return state_->run.stages_.stages.size();
}

size_t RunParts::shards() const {
  return state_->run.shards();
}

bool RunParts::is_finished() const {
  const Run& run = state_->run;
  for (size_t shard = 0; shard < run.shards(); ++shard) {
    if (!run.marker(run.last(), shard, false)) return false;
  }
  return true;
}

Status RunParts::finish_shard(size_t stage, size_t shard) {
  if (!state_->joined) KEDGE_TRY(state_->run.check_identity());
  state_->joined = true;
  if (state_->run.is_done(stage, shard)) return Done{};
  return state_->run.run_one(stage, shard);
}

Status RunParts::link(size_t stage) {
  return state_->run.link(stage);
}

Result<Json> RunParts::finish() {
  return state_->run.finish();
}

Result<Json> run_pipeline(const Pipeline& pipeline, const RunOptions& options, WorkerPool& pool,
                          const RunEvents& events, const std::stop_token& stop) {
  Result<Json> summary = Run(pipeline, options, pool, events, stop).run();
  if (!summary.ok() && summary.error().kind == ErrorKind::cancelled) {
    return Error{ErrorKind::cancelled, fmt::format("stopped; finished shards stay in {}, the same command goes on from "
                                                   "there",
                                                   options.output.string())};
  }
  return summary;
}

}  // namespace kedge::curate
