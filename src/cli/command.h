#pragma once
// Subcommands: each registers its options and leaves its work to be run; an error becomes the exit code.

#include <CLI/CLI.hpp>
#include <functional>

#include "kedge/result.h"

namespace kedge::cli {

/// Collects the subcommands. `chosen` is what the command line asked for.
struct Commands {
  CLI::App& app;
  std::function<Status()> chosen;

  /// A subcommand whose work is `run`. Options are added to the returned object by the caller.
  CLI::App* add(const char* name, const char* description, std::function<Status()> run) {
    return add_to(app, name, description, std::move(run));
  }
  /// The same below `parent`.
  CLI::App* add_to(CLI::App& parent, const char* name, const char* description, std::function<Status()> run) {
    CLI::App* command = parent.add_subcommand(name, description);
    command->callback([this, run = std::move(run)] { chosen = run; });
    return command;
  }
};

// One function a file; the order is that of `kedge --help`.
void register_run(Commands& commands);
void register_serve(Commands& commands);
void register_keys(Commands& commands);
void register_inspect(Commands& commands);
void register_pull(Commands& commands);
void register_tokenize(Commands& commands);
void register_detokenize(Commands& commands);
void register_template(Commands& commands);
void register_logits(Commands& commands);
void register_score(Commands& commands);
void register_embed(Commands& commands);
void register_rerank(Commands& commands);
void register_curate(Commands& commands);
void register_quantize(Commands& commands);
void register_bench(Commands& commands);

}  // namespace kedge::cli
