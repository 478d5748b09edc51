// kedge: the command line.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "cli/command.h"
#include "cli/standard_io.h"
#include "core/error_table.h"
#include "core/printable.h"
#include "cpu/isa.h"

#ifndef KEDGE_VERSION
#define KEDGE_VERSION "unknown"
#endif

namespace {

constexpr int kUsageExit = 2;

/// KEDGE_ISA caps the instruction set. False when it names none.
bool apply_isa_cap() {
  const char* name = std::getenv("KEDGE_ISA");
  if (name == nullptr || *name == '\0') return true;
  const auto isa = kedge::cpu::isa_from_name(name);
  if (isa) kedge::cpu::cap_isa(*isa);
  return isa.has_value();
}

int run(int argc, char** argv) {
  CLI::App app("kedge: private language models on the CPUs you own");
  app.set_version_flag("--version", "kedge " KEDGE_VERSION);
  app.require_subcommand(1);
  kedge::cli::Commands commands{app, nullptr};
  kedge::cli::register_run(commands);
  kedge::cli::register_serve(commands);
  kedge::cli::register_keys(commands);
  kedge::cli::register_inspect(commands);
  kedge::cli::register_pull(commands);
  kedge::cli::register_tokenize(commands);
  kedge::cli::register_detokenize(commands);
  kedge::cli::register_template(commands);
  kedge::cli::register_logits(commands);
  kedge::cli::register_score(commands);
  kedge::cli::register_embed(commands);
  kedge::cli::register_rerank(commands);
  kedge::cli::register_curate(commands);
  kedge::cli::register_quantize(commands);
  kedge::cli::register_bench(commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageExit;  // 0: --help, --version
  }
  if (!apply_isa_cap()) {
    kedge::cli::say("kedge: KEDGE_ISA: expected scalar, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16 or amx");
    return kUsageExit;
  }
  const kedge::Status status = commands.chosen();
  if (status.ok()) return 0;
  kedge::cli::say("kedge: " + kedge::one_line(status.error().message));  // it may quote foreign bytes
  return kedge::codes_of(status.error().kind).exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    kedge::cli::say("kedge: the system gave no more memory");
    return kedge::codes_of(kedge::ErrorKind::out_of_memory).exit_code;
  }
}
