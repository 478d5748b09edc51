#pragma once
// What the commands of `kedge curate` share: inputs, output, threads, progress, counts.

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "curate/annotate.h"

namespace kedge::cli {

struct CurateOptions {
  std::vector<std::string> inputs;
  std::string output;
  data::Fields fields;
  unsigned threads = 0;
  bool json = false;
  bool quiet = false;

  void add_to(CLI::App& command);
  [[nodiscard]] curate::Job job() const;
};

/// Runs `work` with a pool, a progress line and Ctrl-C, and prints the counts.
Status run_curate(const CurateOptions& options,
                  const std::function<Result<curate::Counts>(const curate::Job&, WorkerPool&, const curate::Events&,
                                                             const std::stop_token&)>& work);

/// The same for an operator that annotates each document.
Status run_operator(const CurateOptions& options, const curate::Operator& op);

// One function a file; each adds its command below `kedge curate`.
void register_curate_apply(Commands& commands, CLI::App& curate);
void register_curate_dedup(Commands& commands, CLI::App& curate);
void register_curate_pii(Commands& commands, CLI::App& curate);
void register_curate_decontaminate(Commands& commands, CLI::App& curate);
void register_curate_clean(Commands& commands, CLI::App& curate);
void register_curate_langid(Commands& commands, CLI::App& curate);
void register_curate_extract(Commands& commands, CLI::App& curate);
void register_curate_run(Commands& commands, CLI::App& curate);
void register_curate_survey(Commands& commands, CLI::App& curate);

}  // namespace kedge::cli
