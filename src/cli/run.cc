// kedge run: one answer, or a chat on the terminal.

#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/answer.h"
#include "cli/chat.h"
#include "cli/command.h"
#include "cli/generation_options.h"
#include "cli/model_argument.h"
#include "cli/prompt.h"
#include "cli/standard_io.h"
#include "core/file.h"

namespace kedge::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  GenerationOptions generation;
  std::string prompt, system, file, ids;
  CLI::Option* prompt_option = nullptr;
  CLI::Option* ids_option = nullptr;
  bool json = false;
  bool raw = false;
  bool quiet = false;
};

/// The text to answer: -p, then --file's contents behind it, or standard input when it is no terminal.
Result<std::string> prompt_text(const RunOptions& options) {
  std::string text = options.prompt;
  if (!options.file.empty()) {
    KEDGE_ASSIGN(const std::string contents, read_file(options.file, kInputBytesMax));
    text += (text.empty() ? "" : "\n\n") + contents;
  }
  if (options.prompt_option->count() == 0 && options.file.empty()) {
    KEDGE_ASSIGN(text, read_standard_input());
  }
  return text;
}

Result<std::vector<TokenId>> prompt_tokens(const RunOptions& options, const Engine& engine) {
  if (options.ids_option->count() > 0) return parse_id_list(options.ids);
  KEDGE_ASSIGN(const std::string text, prompt_text(options));
  if (options.raw) return plain_prompt(engine, text);
  Json messages = Json::array();
  if (!options.system.empty()) messages.push_back({{"role", "system"}, {"content", options.system}});
  messages.push_back({{"role", "user"}, {"content", text}});
  return chat_prompt(engine, messages);
}

Json answer_json(const Answer& answer, bool logprobs) {
  Json json = {{"ids", answer.ids}, {"text", answer.text}, {"finish_reason", finish_name(answer.finish)}};
  if (logprobs) json["logprobs"] = answer.logprobs;
  return json;
}

Status write_answers(const RunOptions& options, const AnswerSet& set) {
  const bool logprobs = options.generation.top_logprobs >= 0;
  Json json = answer_json(set.answers.front(), logprobs);
  if (set.answers.size() > 1) {
    for (const Answer& answer : set.answers) json["sequences"].push_back(answer_json(answer, logprobs));
  }
  json["timings"] = timings_json(set.timings);
  return write_json(json);
}

Status answer_once(const RunOptions& options, Engine& engine) {
  KEDGE_ASSIGN(std::vector<TokenId> tokens, prompt_tokens(options, engine));
  KEDGE_ASSIGN(Request request, options.generation.request(std::move(tokens), engine));
  const bool streams = !options.json && request.sequence_count == 1;
  Status written = Done{};
  const auto show = [&](std::string_view text) {
    if (written.ok()) written = write_output(text);
  };
  KEDGE_ASSIGN(const AnswerSet set,
               run_request(engine, std::move(request), streams ? show : std::function<void(std::string_view)>()));
  KEDGE_TRY(std::move(written));
  if (options.json) KEDGE_TRY(write_answers(options, set));
  if (streams) KEDGE_TRY(write_output("\n"));
  if (!options.json && !streams) {
    for (size_t i = 0; i < set.answers.size(); ++i) {
      KEDGE_TRY(write_output(fmt::format("--- {}\n{}\n", i + 1, set.answers[i].text)));
    }
  }
  if (!options.quiet && !options.json) say(timings_text(set.timings));
  if (set.interrupted) return Error{ErrorKind::cancelled, "interrupted"};
  return Done{};
}

Status run(RunOptions options) {
  KEDGE_ASSIGN(const auto engine, options.model.open());
  KEDGE_ASSIGN(options.generation.adapter, options.model.load_adapter(*engine));
  const bool given = options.prompt_option->count() > 0 || options.ids_option->count() > 0 || !options.file.empty();
  if (given || options.json || ::isatty(STDIN_FILENO) == 0) return answer_once(options, *engine);
  return chat(*engine, options.generation, options.system);
}

}  // namespace

void register_run(Commands& commands) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command =
      commands.add("run", "answer a prompt, or chat on the terminal", [options] { return run(*options); });
  options->model.model = "demo";
  options->model.add_to(*command, true);
  options->model.add_scheduling_to(*command, 0);
  options->model.add_adapter_to(*command);
  options->prompt_option =
      command->add_option("-p,--prompt", options->prompt, "the prompt; left out: standard input, or a chat");
  command->add_option("--system", options->system, "the system message");
  command->add_option("--file", options->file, "a text file that is (or follows) the prompt");
  options->ids_option =
      command->add_option("--ids", options->ids, "the prompt as token ids, comma separated")->expected(0, 1);
  command->add_flag("--raw", options->raw, "continue the prompt as plain text, without the chat template");
  command->add_flag("--json", options->json, "one JSON document: {\"ids\", \"text\", \"finish_reason\", \"timings\"}");
  command->add_flag("-q,--quiet", options->quiet, "no rates at the end");
  options->generation.add_to(*command);
}

}  // namespace kedge::cli
