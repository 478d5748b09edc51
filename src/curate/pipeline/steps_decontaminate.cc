// The step that drops documents with evaluation items, or takes the items out.
#include "curate/decontaminate/decontaminate.h"
#include "curate/decontaminate/task_finder.h"
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

Status needs_items(const OptionReader& options, const std::string& against) {
  if (!against.empty()) return Done{};
  return Error{ErrorKind::invalid_input, options.where() + ".against: not there, expected a JSON file of items"};
}

/// REQUIRES: the action is drop.
MadeStep make_decontaminate(OptionReader& options, const Folder& folder) {
  const std::string mode = options.choice("mode", "ngram", {"ngram", "fuzzy"});
  const std::string against = options.text("against", "");
  options.choice("action", "drop", {"drop", "remove"});
  KEDGE_TRY(options.finish());
  KEDGE_TRY(needs_items(options, against));
  KEDGE_ASSIGN(auto items, read_items(folder / against));
  const auto chosen = mode == "fuzzy" ? DecontaminationMode::fuzzy : DecontaminationMode::ngram;
  return std::unique_ptr<Step>(
      std::make_unique<DecontaminateStep>("decontaminate " + mode, make_decontamination(std::move(items), chosen)));
}

}  // namespace

bool takes_items_out(const StepConfig& config) {
  return config.op == "decontaminate" && config.options.is_object() &&
         config.options.value("action", Json()) == "remove";
}

Result<DedupOptions> read_task_removal(OptionReader& options, const Folder& folder) {
  const std::string against = options.text("against", "");
  options.choice("action", "remove", {"remove"});
  options.choice("mode", "ngram", {"ngram"});
  RemovalLimits limits;
  const auto whole = [&](std::string_view name, size_t fallback) {
    return static_cast<size_t>(options.whole(name, static_cast<int64_t>(fallback), 0, INT32_MAX));
  };
  limits.max_matches = whole("max_matches", limits.max_matches);
  limits.min_document_length = whole("min_document_length", limits.min_document_length);
  limits.remove_char_each_side = whole("remove_char_each_side", limits.remove_char_each_side);
  limits.max_splits = whole("max_splits", limits.max_splits);
  KEDGE_TRY(options.finish());
  KEDGE_TRY(needs_items(options, against));
  KEDGE_ASSIGN(const auto questions, read_questions(folder / against));
  DedupOptions all;
  all.method = DedupMethod::tasks;
  all.tasks = std::make_shared<const TaskRemoval>(TaskRemoval{TaskNgrams(questions), limits});
  return all;
}

OperatorInfo decontaminate_operator() {
  return {"decontaminate",
          "drops documents that hold evaluation items, or takes the items out of them",
          "NeMo Curator 0.8's TaskDecontamination; fuzzy: Smith and Waterman 1981",
          {{"against", "", R"(JSON list of {"task", "item", "question", "answer"})"},
           {"mode", "ngram", "drop: ngram (runs of 8 to 13 words) or fuzzy (changed words too)"},
           {"action", "drop", "drop, or remove: NeMo's, which may make several documents of one, ID-0, ID-1, ..."},
           {"max_matches", "10", "remove: a run of words found more often than that in all documents stays"},
           {"min_document_length", "200", "remove: pieces that are not longer go, in characters"},
           {"remove_char_each_side", "200", "remove: what goes beside a run, and on to the next of .!?"},
           {"max_splits", "10", "remove: a document of more pieces goes"}},
          make_decontaminate};
}

}  // namespace kedge::curate
