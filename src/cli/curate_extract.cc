// kedge curate extract, langid, code: the text of pages, the language of texts, source code in them.

#include "cli/curate_commands.h"
#include "curate/extract/extract.h"
#include "curate/language/code_language.h"
#include "curate/language/identify.h"

namespace kedge::cli {
namespace {

struct ExtractCommand {
  CurateOptions common;
  curate::ExtractOptions settings;
};

struct LangidCommand {
  CurateOptions common;
  std::string model;
};

Status extract(const ExtractCommand& options) {
  KEDGE_ASSIGN(const auto op, curate::make_extractor(options.settings));
  return run_operator(options.common, *op);
}

Status langid(const LangidCommand& options) {
  auto model = curate::built_in_language_model();
  if (!options.model.empty()) {
    KEDGE_ASSIGN(model, curate::open_fasttext_model(options.model));
  }
  return run_operator(options.common, *curate::make_language_identifier(std::move(model)));
}

}  // namespace

void register_curate_extract(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<ExtractCommand>();
  options->common.fields.text = "html";
  CLI::App* command = commands.add_to(curate, "extract", "the main text of pages (JSONL with html, or web archives)",
                                      [options] { return extract(*options); });
  command->add_option("--mode", options->settings.mode, "precision, recall or justext")
      ->check(CLI::IsMember({"precision", "recall", "justext"}))
      ->capture_default_str();
  command->add_option("--language", options->settings.language, "justext: the stop words' language")
      ->capture_default_str();
  command->add_option("--stop-list", options->settings.stop_list,
                      "justext: a file of stop words, one a line, in place of the language's");
  command->add_flag("--markdown", options->settings.markdown, "precision, recall: tables and code as Markdown");
  options->common.add_to(*command);
}

void register_curate_langid(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<LangidCommand>();
  CLI::App* command =
      commands.add_to(curate, "langid", "the language of each document", [options] { return langid(*options); });
  command->add_option("--model", options->model, "a fastText model (.bin, .ftz); without it the built-in one");
  options->common.add_to(*command);
}

void register_curate_code(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<CurateOptions>();
  CLI::App* command = commands.add_to(curate, "code", "how much of each document is source code, and its language",
                                      [options] { return run_operator(*options, *curate::make_code_identifier()); });
  options->add_to(*command);
}

}  // namespace kedge::cli
