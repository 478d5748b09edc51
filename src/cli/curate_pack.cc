// kedge curate pack: documents as tokens for a trainer.

#include <fmt/format.h>

#include "cli/curate_commands.h"
#include "cli/interrupt.h"
#include "cli/standard_io.h"
#include "core/printable.h"
#include "curate/pack.h"

namespace kedge::cli {
namespace {

struct PackCommand {
  CurateOptions common;
  std::string tokenizer;
  curate::PackOptions settings;
  std::string end_token;
  bool no_end = false;
};

Result<TokenId> end_token_of(const PackCommand& command, const Tokenizer& tokenizer) {
  if (command.no_end) return TokenId{-1};
  const auto token = command.end_token.empty() ? tokenizer.eos() : tokenizer.find(command.end_token);
  if (token) return *token;
  return Error{ErrorKind::invalid_input,
               command.end_token.empty()
                   ? fmt::format("{}: names no end-of-text token; --end-token names one, --no-end-token goes without",
                                 command.tokenizer)
                   : fmt::format("--end-token: '{}' is no token of {}", command.end_token, command.tokenizer)};
}

Status pack(PackCommand& command) {
  KEDGE_ASSIGN(const auto tokenizer, Tokenizer::open(command.tokenizer));
  KEDGE_ASSIGN(command.settings.end_token, end_token_of(command, *tokenizer));
  const auto work = [&](const curate::Job& job, WorkerPool& pool, const curate::Events& events,
                        const std::stop_token& stop) {
    return curate::pack_tokens(job, *tokenizer, command.settings, pool, events, stop);
  };
  KEDGE_ASSIGN(const curate::PackCounts counts, run_counted(command.common, work));
  const auto& [documents, tokens, sequences, left_out] = counts;
  if (command.common.json) {
    return write_json({{"in", documents.in},
                       {"out", documents.out},
                       {"rejected", documents.rejected},
                       {"tokens", tokens},
                       {"sequences", sequences},
                       {"left_out_tokens", left_out}});
  }
  return write_output(fmt::format("{} documents, {} sequences of {} tokens in all, {} tokens left out, {} rejected\n",
                                  documents.out, sequences, tokens, left_out, documents.rejected));
}

}  // namespace

void register_curate_pack(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<PackCommand>();
  CLI::App* command =
      commands.add_to(curate, "pack", "documents as tokens for a trainer: Megatron's .bin and .idx, or an array",
                      [options] { return pack(*options); });
  command->add_option("--tokenizer", options->tokenizer, "tokenizer.json, tokenizer.model, a .gguf file, or a folder")
      ->required();
  const std::map<std::string, curate::TokenFormat> formats = {{"megatron", curate::TokenFormat::megatron},
                                                              {"array", curate::TokenFormat::array}};
  command
      ->add_option("--format", options->settings.format,
                   "megatron (PREFIX.bin, PREFIX.idx) or array (PREFIX.bin alone)")
      ->transform(CLI::CheckedTransformer(formats));
  command
      ->add_option("--length", options->settings.length,
                   "tokens of a sequence: documents end to end, the last rest left out; 0: a sequence a document")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  CLI::Option* end = command->add_option("--end-token", options->end_token,
                                         "token after each document; without it the tokenizer's own end of text");
  command->add_flag("--no-end-token", options->no_end, "nothing after a document")->excludes(end);
  options->common.add_to(*command);
  command->get_option("--output")->description("PREFIX of the files to write");
}

}  // namespace kedge::cli
