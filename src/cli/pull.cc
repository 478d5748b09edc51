// kedge pull: a model from the Hugging Face hub into its cache.

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/hub_environment.h"
#include "cli/interrupt.h"
#include "cli/progress_line.h"
#include "cli/standard_io.h"
#include "cli/transfer_report.h"
#include "net/hub.h"

namespace kedge::cli {
namespace {

struct PullOptions {
  std::string model;
  net::HubSelection selection;
  unsigned connections = net::HubOptions().connections;
  bool json = false;
  bool quiet = false;
};

/// Tells progress and notices on standard error, as a terminal or a log wants them.
class PullReport {
 public:
  explicit PullReport(bool quiet) : quiet_(quiet) {}

  void progress(const net::HubProgress& progress) {
    rate_.add(TransferRate::Clock::now(), progress.bytes_received);
    if (!quiet_) line_.show(progress_text(progress, rate_.bytes_per_second()));
  }

  void notice(const std::string& line) {
    line_.close();
    if (!quiet_) say(line);
  }

  void close_line() { line_.close(); }

 private:
  bool quiet_;
  ProgressLine line_{std::chrono::seconds(5)};
  TransferRate rate_;
};

std::string summary(const net::HubPulled& pulled, std::chrono::duration<double> time) {
  const net::HubProgress& progress = pulled.progress;
  if (progress.bytes_received == 0) return fmt::format("{} files were here already", progress.files_total);
  return fmt::format("{} files, {}, of which {} came in {} ({}/s)", progress.files_total,
                     bytes_text(static_cast<double>(progress.bytes_total)),
                     bytes_text(static_cast<double>(progress.bytes_received)),
                     duration_text(std::chrono::duration_cast<std::chrono::seconds>(time)),
                     bytes_text(static_cast<double>(progress.bytes_received) / std::max(time.count(), 1e-3)));
}

Status run_pull(const PullOptions& options) {
  KEDGE_ASSIGN(const net::HubRepository repository, net::parse_hub_repository(options.model));
  net::HubOptions hub = hub_options();
  hub.connections = options.connections;
  PullReport report(options.quiet);
  const net::HubEvents events{.on_progress = [&](const net::HubProgress& progress) { report.progress(progress); },
                              .on_notice = [&](const std::string& line) { report.notice(line); }};
  const InterruptStop interrupt;
  const auto begin = std::chrono::steady_clock::now();
  Result<net::HubPulled> pulled = net::pull(hub, repository, options.selection, events, interrupt.token());
  report.close_line();
  if (!pulled.ok()) return std::move(pulled).error();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  const net::HubPulled& done = pulled.value();
  if (!hub.offline) report.notice(summary(done, time));
  if (!options.json) return write_output(done.snapshot.string() + "\n");
  return write_json({{"model", repository.name},
                     {"revision", repository.revision},
                     {"commit", done.commit},
                     {"path", done.snapshot.string()},
                     {"files", done.progress.files_total},
                     {"bytes", done.progress.bytes_total},
                     {"bytes_received", done.progress.bytes_received},
                     {"seconds", time.count()}});
}

}  // namespace

void register_pull(Commands& commands) {
  auto options = std::make_shared<PullOptions>();
  CLI::App* command =
      commands.add("pull", "fetch a model from the Hugging Face hub (HF_ENDPOINT, HF_TOKEN and HF_HOME count)",
                   [options] { return run_pull(*options); });
  command->add_option("MODEL", options->model, "ORG/NAME, or ORG/NAME@REVISION (a branch, a tag or a commit)")
      ->required();
  command
      ->add_option("--include", options->selection.include, "only files that match this pattern ('*.gguf'); repeatable")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--exclude", options->selection.exclude, "no files that match this pattern; repeatable")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--all", options->selection.everything, "also the same weights in formats kedge does not need");
  command->add_option("--connections", options->connections, "parts fetched at the same time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_flag("--quiet", options->quiet, "no progress and notices");
  command->add_flag("--json", options->json, "one JSON document instead of the folder's path");
}

}  // namespace kedge::cli
