// kedge template: renders a chat template.

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/model_argument.h"
#include "cli/prompt.h"
#include "cli/standard_io.h"
#include "core/file.h"
#include "text/chat_template.h"
#include "text/template_source.h"

namespace kedge::cli {
namespace {

struct TemplateOptions {
  std::string model;
  std::string chat_template;
  bool json = false;
};

Result<text::ChatTemplateSource> find_template(const TemplateOptions& options) {
  std::error_code ignored;
  const std::filesystem::path given = options.model;
  if (std::filesystem::is_regular_file(given, ignored) && given.extension() != ".gguf") {
    text::ChatTemplateSource source;
    source.origin = given.string();
    KEDGE_ASSIGN(source.source, read_file(given, text::TemplateLimits{}.source_bytes_max));
    return source;
  }
  KEDGE_ASSIGN(const std::filesystem::path path, resolve_model(options.model));
  KEDGE_ASSIGN(auto source, text::load_chat_template(path, options.chat_template));
  if (!source) {
    return Error{ErrorKind::not_found,
                 fmt::format("{}: the model has no chat template; give one with --chat-template FILE", options.model)};
  }
  return std::move(*source);
}

Status render(const TemplateOptions& options) {
  KEDGE_ASSIGN(const text::ChatTemplateSource source, find_template(options));
  KEDGE_ASSIGN(Json request, read_json_input());
  if (!request.is_object() || !request.contains("messages")) {
    return Error{ErrorKind::invalid_input, "standard input: expected a JSON object with \"messages\""};
  }
  if (!request.contains("strftime_now")) request["strftime_now"] = today();
  if (!request.contains("bos_token")) request["bos_token"] = source.bos_token;
  if (!request.contains("eos_token")) request["eos_token"] = source.eos_token;
  const bool with_tools = request.contains("tools") && !request["tools"].is_null();
  const std::string& text = with_tools && !source.tool_source.empty() ? source.tool_source : source.source;
  KEDGE_ASSIGN(const auto chat_template, text::ChatTemplate::parse(text));
  KEDGE_ASSIGN(const std::string prompt, chat_template->render(request));
  return options.json ? write_json({{"prompt", prompt}}) : write_output(prompt);
}

}  // namespace

void register_template(Commands& commands) {
  auto options = std::make_shared<TemplateOptions>();
  CLI::App* command =
      commands.add("template", "the prompt that a chat template makes of the conversation on standard input",
                   [options] { return render(*options); });
  command->add_option("MODEL", options->model, "model, or a .jinja file")->required();
  command->add_option("--chat-template", options->chat_template,
                      "a Jinja file to use instead of the model's own template");
  command->add_flag("--json", options->json, "one JSON document: {\"prompt\"}");
}

}  // namespace kedge::cli
