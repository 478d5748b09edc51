// kedge pull: a model from the Hugging Face hub into its cache.

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "cli/command.h"
#include "cli/hub_environment.h"
#include "cli/interrupt.h"
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
  explicit PullReport(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void progress(const net::HubProgress& progress) {
    const auto now = TransferRate::Clock::now();
    rate_.add(now, progress.bytes_received);
    if (quiet_) return;
    if (!terminal_ && now - last_line_ < kLineInterval) return;
    last_line_ = now;
    const std::string text = progress_text(progress, rate_.bytes_per_second());
    if (terminal_) {
      std::fprintf(stderr, "\r\x1b[K%s", text.c_str());
      std::fflush(stderr);
      line_open_ = true;
    } else {
      say(text);
    }
  }

  void notice(const std::string& line) {
    close_line();
    if (!quiet_) say(line);
  }

  /// Ends the line that was being rewritten.
  void close_line() {
    if (line_open_) std::fputs("\r\x1b[K", stderr);
    line_open_ = false;
  }

 private:
  static constexpr std::chrono::seconds kLineInterval{5};

  bool quiet_;
  bool terminal_;
  bool line_open_ = false;
  TransferRate rate_;
  TransferRate::Clock::time_point last_line_ = TransferRate::Clock::now();
};

/// Ctrl-C as a stop token: what has come stays, the next pull continues from there.
class InterruptStop {
 public:
  InterruptStop()
      : watcher_([this](const std::stop_token& end) {
          while (!end.stop_requested() && !guard_.interrupted()) std::this_thread::sleep_for(kInterval);
          if (guard_.interrupted()) stop_.request_stop();
        }) {}

  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

 private:
  static constexpr std::chrono::milliseconds kInterval{20};

  InterruptGuard guard_;
  std::stop_source stop_;
  std::jthread watcher_;  // ends before the two above
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
