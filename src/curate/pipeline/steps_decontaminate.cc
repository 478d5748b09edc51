// The step that drops evaluation items.
#include "curate/decontaminate/decontaminate.h"
#include "curate/pipeline/annotation.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

class DecontaminateStep final : public Step {
 public:
  DecontaminateStep(std::string label, std::unique_ptr<Operator> op) : Step(std::move(label)), op_(std::move(op)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Annotation said(*op_, document);
    Outcome outcome;
    outcome.keep = !said.flag("contaminated");
    if (outcome.keep) return outcome;
    outcome.reason = "holds an evaluation item";
    outcome.details = said.json();
    return outcome;
  }

 private:
  std::unique_ptr<Operator> op_;
};

MadeStep make_decontaminate(OptionReader& options, const Folder& folder) {
  const std::string mode = options.choice("mode", "ngram", {"ngram", "fuzzy"});
  const std::string against = options.text("against", "");
  KEDGE_TRY(options.finish());
  if (against.empty()) {
    return Error{ErrorKind::invalid_input, options.where() + ".against: not there, expected a JSON file of items"};
  }
  KEDGE_ASSIGN(auto items, read_items(folder / against));
  const auto chosen = mode == "fuzzy" ? DecontaminationMode::fuzzy : DecontaminationMode::ngram;
  return std::unique_ptr<Step>(
      std::make_unique<DecontaminateStep>("decontaminate " + mode, make_decontamination(std::move(items), chosen)));
}

}  // namespace

OperatorInfo decontaminate_operator() {
  return {"decontaminate",
          "drops documents that hold evaluation items",
          "NeMo Curator 0.8's TaskDecontamination; fuzzy: Smith and Waterman 1981",
          {{"against", "", R"(JSON list of {"task", "item", "question", "answer"})"},
           {"mode", "ngram", "ngram (runs of 8 to 13 words) or fuzzy (changed words too)"}},
          make_decontaminate};
}

}  // namespace kedge::curate
