// The step that keeps source code by what is asked of its language and extension.
#include "curate/filters/per_extension.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

constexpr std::string_view kScore = "per_extension_filter";  // NeMo's name

class ExtensionStep final : public Step {
 public:
  explicit ExtensionStep(ExtensionLimits limits) : Step("per_extension"), limits_(limits) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const std::optional<double> score = score_extension(to_codes(document.text), limits_);
    Outcome outcome;
    outcome.keep = score.value_or(0) != 0;
    if (!outcome.keep) outcome.reason = limits_.include ? "per_extension" : "a kind that is not included";
    if (score) outcome.values.emplace_back(kScore, *score);
    outcome.details = "{\"per_extension_filter\":" + (score ? json_number(*score) : std::string("null")) + "}";
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{.name = kScore, .low = 0, .high = 1, .least = 1}};
  }

 private:
  ExtensionLimits limits_;
};

MadeStep make_per_extension(OptionReader& options, const Folder& folder) {
  const std::string language = options.text("lang", ""), extension = options.text("extension", "");
  const std::string table = options.text("metadata_file", "");
  KEDGE_TRY(options.finish());
  for (const auto& [name, value] : {std::pair("lang", &language), std::pair("metadata_file", &table)}) {
    if (!value->empty()) continue;
    return Error{ErrorKind::invalid_input, options.where() + "." + name +
                                               ": not there, expected lang, extension and NeMo Curator's code_meta.csv "
                                               "(or a table like it) as metadata_file"};
  }
  KEDGE_ASSIGN(const ExtensionLimits limits, read_extension_limits(folder / table, language, extension));
  return std::unique_ptr<Step>(std::make_unique<ExtensionStep>(limits));
}

}  // namespace

OperatorInfo per_extension_operator() {
  return {"per_extension",
          "keeps source code within the limits that a table has for its language and extension",
          "NeMo Curator 1.4's PerExtensionFilter",
          {{"lang", "", "of all documents, as the table's column `language` spells it"},
           {"extension", "", "of all documents, without the dot; one that the table does not have is dropped"},
           {"metadata_file", "", "CSV with the columns of NeMo Curator's code_meta.csv"}},
          make_per_extension};
}

}  // namespace kedge::curate
