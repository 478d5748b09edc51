// The step that finds personal data.
#include <fmt/format.h>

#include "curate/pii/redact.h"
#include "curate/pipeline/annotation.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

class PiiStep final : public Step {
 public:
  PiiStep(std::string label, const PiiOptions& options)
      : Step(std::move(label)), op_(make_pii_operator(options)), mask_(options.mask) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Annotation said(*op_, document);
    Outcome outcome;
    simdjson::dom::array spans;
    if (said.root()["spans"].get(spans) == simdjson::SUCCESS) {
      for (const auto& span : spans) outcome.labels.emplace_back(span["type"].get_string().value());
      if (spans.size() > 0) outcome.details = fmt::format(R"({{"spans":{}}})", std::string(simdjson::minify(spans)));
    }
    if (mask_) replace_text(document, said.text("text"), outcome);
    return outcome;
  }

 private:
  std::unique_ptr<Operator> op_;
  bool mask_;
};

MadeStep make_pii(OptionReader& options, const Folder&) {
  PiiOptions settings;
  settings.mask = options.choice("action", "mask", {"mask", "detect"}) == "mask";
  settings.ip = options.choice("ip", "all", {"all", "public"}) == "all" ? IpChoice::all : IpChoice::public_only;
  KEDGE_TRY(options.finish());
  return std::unique_ptr<Step>(std::make_unique<PiiStep>(settings.mask ? "pii mask" : "pii detect", settings));
}

}  // namespace

OperatorInfo pii_operator() {
  return {"pii",
          "personal data: email and IP addresses, phone, card, account and social security numbers",
          "docs/guide/curate.md",
          {{"action", "mask", "mask: [TYPE] in place of each value; detect: counts alone"},
           {"ip", "all", "all or public: which IPv4 addresses count"}},
          make_pii};
}

}  // namespace kedge::curate
