// The step that takes main text out of pages.
#include "curate/extract/extract.h"
#include "curate/pipeline/annotation.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

class ExtractStep final : public Step {
 public:
  ExtractStep(std::string label, std::unique_ptr<Operator> op) : Step(std::move(label)), op_(std::move(op)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const Annotation said(*op_, document);
    replace_text(document, said.text("text"), outcome);
    outcome.keep = !document.text.empty();
    if (!outcome.keep) outcome.reason = "no main text";
    return outcome;
  }
  [[nodiscard]] bool reads_pages() const override { return true; }
  [[nodiscard]] Result<data::Document> read_page(const data::Record& record) const override {
    return op_->read_page(record);
  }

 private:
  std::unique_ptr<Operator> op_;
};

MadeStep make_extract(OptionReader& options, const Folder& folder) {
  ExtractOptions settings;
  settings.mode = options.choice("mode", settings.mode, {"precision", "recall", "justext"});
  settings.language = options.text("language", settings.language);
  const std::string stop_list = options.text("stop_list", "");
  if (!stop_list.empty()) settings.stop_list = folder / stop_list;
  settings.markdown = options.flag("markdown", settings.markdown);
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto op, make_extractor(settings));
  return std::unique_ptr<Step>(std::make_unique<ExtractStep>("extract " + settings.mode, std::move(op)));
}

}  // namespace

OperatorInfo extract_operator() {
  return {"extract",
          "the main text of pages: `html` in JSONL, or responses in web archives",
          "docs/guide/curate.md; jusText: Pomikalek 2011",
          {{"mode", "precision", "precision, recall or justext"},
           {"language", "en", "justext: of the stop words; ja, ko, th and zh keep every paragraph"},
           {"stop_list", "", "justext: a file of them, one a line, in place of the language's"},
           {"markdown", "false", "precision, recall: tables and code as Markdown"}},
          make_extract};
}

}  // namespace kedge::curate
