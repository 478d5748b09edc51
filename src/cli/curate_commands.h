#pragma once
// What the commands of `kedge curate` share: inputs, output, threads, progress, counts.

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/progress_line.h"
#include "curate/annotate.h"
#include "curate/pipeline/run.h"

namespace kedge::cli {

struct CurateOptions {
  std::vector<std::string> inputs;
  std::string output;
  data::Fields fields;
  unsigned threads = 0;
  bool include_text = false;
  bool json = false;
  bool quiet = false;

  void add_to(CLI::App& command);
  /// Folders become their files; "-" is standard input. Says what is left out of them. Fails with not_found.
  [[nodiscard]] Result<curate::Job> job() const;
};

/// `expand_inputs`, with what is left out of folders said on standard error.
Result<std::vector<data::Input>> expand_and_tell(const std::vector<std::string>& inputs,
                                                 const std::filesystem::path& folder, curate::InputChoice& choice);
inline constexpr char kIncludeTextHelp[] =
    "of folders the Markdown, plain text, PDF and HTML files too that lie beside files of records";

/// What people see while documents are worked on: a line of progress, and what was rejected.
class CurateConsole {
 public:
  /// REQUIRES: this object outlives `events`.
  void attach(const CurateOptions& options, curate::Events& events);
  void close() { line_.close(); }

 private:
  ProgressLine line_{std::chrono::seconds(10)};
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// Runs `work` with a pool, a progress line and Ctrl-C, and prints the counts.
Status run_curate(const CurateOptions& options,
                  const std::function<Result<curate::Counts>(const curate::Job&, WorkerPool&, const curate::Events&,
                                                             const std::stop_token&)>& work);

/// The same around any work over a job; whoever calls it tells the result.
template <typename Work>
auto run_counted(const CurateOptions& options, const Work& work)
    -> std::invoke_result_t<Work, const curate::Job&, WorkerPool&, const curate::Events&, const std::stop_token&> {
  KEDGE_ASSIGN(const curate::Job job, options.job());
  CurateConsole console;
  curate::Events events;
  console.attach(options, events);
  WorkerPool pool(options.threads);
  const InterruptStop interrupt;
  auto result = work(job, pool, events, interrupt.token());
  console.close();
  return result;
}

/// The same for an operator that annotates each document.
Status run_operator(const CurateOptions& options, const curate::Operator& op);

// One function a file; each adds its command below `kedge curate`.
void register_curate_apply(Commands& commands, CLI::App& curate);
void register_curate_dedup(Commands& commands, CLI::App& curate);
void register_curate_pii(Commands& commands, CLI::App& curate);
void register_curate_decontaminate(Commands& commands, CLI::App& curate);
void register_curate_clean(Commands& commands, CLI::App& curate);
void register_curate_langid(Commands& commands, CLI::App& curate);
void register_curate_code(Commands& commands, CLI::App& curate);
void register_curate_extract(Commands& commands, CLI::App& curate);
void register_curate_run(Commands& commands, CLI::App& curate);
void register_curate_survey(Commands& commands, CLI::App& curate);
void register_curate_pack(Commands& commands, CLI::App& curate);
void register_curate_mix(Commands& commands, CLI::App& curate);
void register_curate_synthesize(Commands& commands, CLI::App& curate);
void register_curate_train(Commands& commands, CLI::App& curate);

}  // namespace kedge::cli
