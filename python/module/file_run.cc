#include "python/module/file_run.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>

#include "curate/pipeline/run.h"
#include "python/module/errors.h"
#include "python/module/interrupt.h"
#include "python/module/pipeline_text.h"

namespace nb = nanobind;

namespace kedge::python {
namespace {

using Rejects = std::vector<std::pair<std::string, std::string>>;

/// `function` without the interpreter's lock.
template <typename Function>
auto unlocked(const Function& function) {
  const nb::gil_scoped_release release;
  return function();
}

class FileRun {
 public:
  FileRun() = default;
  FileRun(const FileRun&) = delete;
  FileRun& operator=(const FileRun&) = delete;

  static Result<std::unique_ptr<FileRun>> open(const PipelineText& source,
                                               const std::optional<std::vector<std::string>>& inputs,
                                               const std::string& output, unsigned threads, bool keep_work) {
    auto run = std::make_unique<FileRun>();
    KEDGE_ASSIGN(run->pipeline_, read_pipeline(source));
    const curate::Pipeline& pipeline = run->pipeline_;
    run->options_.choice.include_text = pipeline.include_text;
    KEDGE_ASSIGN(run->options_.inputs,
                 curate::expand_inputs(inputs ? *inputs : pipeline.inputs,
                                       inputs ? std::filesystem::path() : pipeline.folder, run->options_.choice));
    if (run->options_.inputs.empty()) {
      return Error{ErrorKind::invalid_input,
                   "no input: `input` in " + source.name + " or the argument `input` names files, folders or patterns"};
    }
    run->options_.output =
        output.empty() && !pipeline.output.empty() ? pipeline.folder / pipeline.output : std::filesystem::path(output);
    if (run->options_.output.empty()) {
      return Error{ErrorKind::invalid_input,
                   "no output: `output` in " + source.name + " or the argument `output` names a folder"};
    }
    run->options_.keep_work = keep_work;
    run->threads_ = threads;
    return run;
  }

  /// The whole run, or its part of it: the report as JSON.
  std::string run_all(uint32_t part, uint32_t parts, const nb::object& on_progress, const nb::object& on_reject) {
    curate::RunOptions options = options_;
    options.part = part;
    options.parts = parts;
    if (part >= parts) {
      raise({ErrorKind::invalid_input, "shard: found " + std::to_string(part) + "/" + std::to_string(parts) +
                                           ", expected i/n with 0 <= i < n, as 0/8"});
    }
    Interruptible work;
    curate::RunEvents events;
    events.on_progress = [&](const curate::RunProgress& at) {
      work.check();
      if (on_progress.is_none()) return;
      work.call([&] { on_progress(at.share, at.stage, at.stages, at.shard, at.shards, at.documents); });
    };
    if (!on_reject.is_none()) {
      events.on_reject = [&](const data::Reject& reject) {
        work.call([&] { on_reject(reject.where, reject.reason); });
      };
    }
    const auto report = unlocked([&]() -> Result<Json> {
      WorkerPool pool(threads_);
      return curate::run_pipeline(pipeline_, options, pool, events, work.token());
    });
    work.raise_if_stopped();
    return to_text(value_or_raise(report));
  }

  void prepare() {
    value_or_raise(unlocked([&] { return parts([](curate::RunParts& run) { return run.prepare(); }); }));
  }
  size_t stages() {
    return value_or_raise(unlocked([&] { return parts([](curate::RunParts& run) { return count(run.stages()); }); }));
  }
  size_t shards() {
    return value_or_raise(unlocked([&] { return parts([](curate::RunParts& run) { return count(run.shards()); }); }));
  }
  bool is_finished() {
    const auto finished = [](curate::RunParts& run) { return count(run.is_finished() ? 1 : 0); };
    return value_or_raise(unlocked([&] { return parts(finished); })) != 0;
  }
  Rejects run_shard(size_t stage, size_t shard) {
    check(stage, shard);
    Rejects rejects;
    const auto work = [&](curate::RunParts& run) {  // one call at a time
      rejects_.clear();
      Status done = run.finish_shard(stage, shard);
      rejects = std::move(rejects_);
      return done;
    };
    value_or_raise(unlocked([&] { return parts(work); }));
    return rejects;
  }
  void link(size_t stage) {
    check(stage + 1, 0);
    value_or_raise(unlocked([&] { return parts([&](curate::RunParts& run) { return run.link(stage); }); }));
  }
  std::string finish() {
    return to_text(value_or_raise(unlocked([&] { return parts([](curate::RunParts& run) { return run.finish(); }); })));
  }

 private:
  static Result<size_t> count(size_t value) { return value; }

  /// `function` of the run's parts, which are opened once; one call at a time.
  template <typename Function>
  std::invoke_result_t<Function, curate::RunParts&> parts(const Function& function) {
    const std::scoped_lock lock(mutex_);
    if (!parts_) {
      pool_ = std::make_unique<WorkerPool>(threads_);
      curate::RunEvents events;
      events.on_reject = [this](const data::Reject& reject) {
        if (rejects_.size() < kRejectsMax) rejects_.emplace_back(reject.where, reject.reason);
      };
      KEDGE_ASSIGN(curate::RunParts opened, curate::RunParts::open(pipeline_, options_, *pool_, std::move(events), {}));
      parts_.emplace(std::move(opened));
    }
    return function(*parts_);
  }

  void check(size_t stage, size_t shard) {
    if (stage < stages() && shard < shards()) return;
    raise({ErrorKind::invalid_input, "no such stage or shard"});
  }

  static constexpr size_t kRejectsMax = 1000;  // told of one shard; the file of rejects has all

  curate::Pipeline pipeline_;
  curate::RunOptions options_;
  unsigned threads_ = 0;
  std::mutex mutex_;
  std::unique_ptr<WorkerPool> pool_;
  std::optional<curate::RunParts> parts_;
  Rejects rejects_;
};

nb::list as_list(const Rejects& rejects) {
  nb::list list;
  for (const auto& [where, reason] : rejects) list.append(nb::make_tuple(where, reason));
  return list;
}

}  // namespace

void bind_runs(nb::module_& module) {
  nb::class_<FileRun>(module, "FileRun")
      .def_static(
          "open",
          [](const std::string& text, const std::string& name, const std::string& folder,
             const std::optional<std::vector<std::string>>& inputs, const std::string& output, unsigned threads,
             bool keep_work) {
            return value_or_raise(FileRun::open({text, name, folder}, inputs, output, threads, keep_work));
          },
          nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg())
      .def("run", &FileRun::run_all, nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none())
      .def("prepare", &FileRun::prepare)
      .def("stages", &FileRun::stages)
      .def("shards", &FileRun::shards)
      .def("is_finished", &FileRun::is_finished)
      .def("run_shard", [](FileRun& self, size_t stage, size_t shard) { return as_list(self.run_shard(stage, shard)); })
      .def("link", &FileRun::link)
      .def("finish", &FileRun::finish);
}

}  // namespace kedge::python
