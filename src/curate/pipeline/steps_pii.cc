// The step that finds personal data.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "curate/pii/redact.h"
#include "curate/pipeline/annotation.h"
#include "curate/pipeline/pii_options.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

class PiiStep final : public Step {
 public:
  PiiStep(std::string label, const PiiOptions& options)
      : Step(std::move(label)), op_(make_pii_operator(options)), replaces_(options.action != PiiAction::detect) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Annotation said(*op_, document);
    Outcome outcome;
    simdjson::dom::array spans;
    if (said.root()["spans"].get(spans) == simdjson::SUCCESS) {
      for (const auto& span : spans) outcome.labels.emplace_back(span["type"].get_string().value());
      if (spans.size() > 0) outcome.details = fmt::format(R"({{"spans":{}}})", std::string(simdjson::minify(spans)));
    }
    if (replaces_) replace_text(document, said.text("text"), outcome);
    return outcome;
  }

 private:
  std::unique_ptr<Operator> op_;
  bool replaces_;
};

std::vector<PiiType> read_types(OptionReader& options) {
  std::vector<PiiType> types;
  for (const std::string& name : options.texts("types")) {
    if (const auto type = pii_type_of(name)) {
      types.push_back(*type);
    } else {
      options.fail("types", name, "EMAIL, PHONE, ... (`kedge curate ops`)");
    }
  }
  return types;
}

Result<PiiPattern> read_pattern(const Json& json, const std::string& where) {
  constexpr std::array<const char*, 5> kChecks = {"none", "luhn", "mod97", "mod11_10", "verhoeff"};
  OptionReader options(json, where);
  PiiPattern pattern;
  pattern.name = options.text("name", "");
  pattern.regex = options.text("regex", "");
  const std::string check = options.choice("check", "none", {kChecks.begin(), kChecks.end()});
  pattern.check = static_cast<PiiCheck>(std::find(kChecks.begin(), kChecks.end(), check) - kChecks.begin());
  const bool named = !pattern.name.empty() &&
                     pattern.name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
  if (!named) options.fail("name", pattern.name, "capital letters, digits and _");
  KEDGE_TRY(options.finish());
  return pattern;
}

Result<std::vector<PiiPattern>> read_patterns(OptionReader& options) {
  std::vector<PiiPattern> patterns;
  const Json* const found = options.value("patterns");
  if (found == nullptr) return patterns;
  if (!found->is_array()) options.fail("patterns", *found, "a list of {name, regex, check}");
  KEDGE_TRY(options.finish());
  for (size_t i = 0; i < found->size(); ++i) {
    KEDGE_ASSIGN(patterns.emplace_back(),
                 read_pattern((*found)[i], fmt::format("{}.patterns[{}]", options.where(), i)));
  }
  return patterns;
}

}  // namespace

Result<PiiOptions> read_pii_options(OptionReader& options) {
  PiiOptions settings;
  const std::string action = options.choice("action", "mask", {"mask", "detect", "hash", "surrogate"});
  if (action == "mask") settings.action = PiiAction::mask;
  if (action == "hash") settings.action = PiiAction::hash;
  if (action == "surrogate") settings.action = PiiAction::surrogate;
  settings.ip = options.choice("ip", "all", {"all", "public"}) == "all" ? IpChoice::all : IpChoice::public_only;
  const std::string salt = options.text("salt", "");
  const int64_t seed = options.whole("seed", 1, 0, INT64_MAX);
  settings.key = action == "hash" ? salt : std::to_string(seed);
  if (action == "hash" && salt.empty()) options.fail("salt", salt, "text that nobody else knows: hashes need one");
  const std::vector<PiiType> types = read_types(options);
  KEDGE_ASSIGN(const auto patterns, read_patterns(options));
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(settings.finder, PiiFinder::make(types, patterns));
  return settings;
}

namespace {

std::string_view name_of(PiiAction action) {
  constexpr std::array<std::string_view, 4> kActions = {"detect", "mask", "hash", "surrogate"};
  return kActions[static_cast<size_t>(action)];
}

MadeStep make_pii(OptionReader& options, const Folder&) {
  KEDGE_ASSIGN(const PiiOptions settings, read_pii_options(options));
  return std::unique_ptr<Step>(std::make_unique<PiiStep>(fmt::format("pii {}", name_of(settings.action)), settings));
}

}  // namespace

OperatorInfo pii_operator() {
  return {"pii",
          "personal data: email and IP addresses, phone, card, account and social security numbers",
          "docs/guide/curate.md",
          {{"action", "mask",
            "mask: [TYPE] in place of each value; hash: [TYPE:HASH], the same for the same value; surrogate: another "
            "value of the kind, as valid, the same for the same value; detect: counts alone"},
           {"types", "",
            "which ones; without it EMAIL, PHONE, IPV4, IPV4_PRIVATE, IPV6, CREDIT_CARD, US_SSN, IBAN; also "
            "URL_CREDENTIALS, CRYPTO_ADDRESS, API_KEY"},
           {"patterns", "", "more: a list of {name, regex, check}; check: none, luhn, mod97, mod11_10 or verhoeff"},
           {"salt", "", "hash: the key"},
           {"seed", "1", "surrogate: another one gives others"},
           {"ip", "all", "all or public: which IPv4 addresses count"}},
          make_pii};
}

}  // namespace kedge::curate
