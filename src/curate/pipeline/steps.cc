// The steps that look at one document at a time: each an operator and what follows from what it says.
#include <fmt/format.h>
#include <fmt/ranges.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "curate/clean/clean.h"
#include "curate/decontaminate/decontaminate.h"
#include "curate/extract/extract.h"
#include "curate/filters/profiles.h"
#include "curate/language/identify.h"
#include "curate/normal_forms.h"
#include "curate/pii/redact.h"
#include "curate/pipeline/annotation.h"
#include "curate/pipeline/dedup_step.h"
#include "curate/pipeline/nemo_limits.h"
#include "curate/pipeline/step.h"
#include "data/json_text.h"
#include "kedge/tokenizer.h"
#include "text/unicode/utf8.h"

namespace kedge::curate {
namespace {

using Folder = std::filesystem::path;
using MadeStep = Result<std::unique_ptr<Step>>;

std::string json_text(std::string_view text) {
  std::string json;
  data::append_json_string(json, text);
  return json;
}

std::string json_number(double value) {
  std::string json;
  data::append_json_number(json, value);
  return json;
}

/// Puts `text` in place of the document's, where it is another one.
void replace_text(data::Document& document, std::string_view text, Outcome& outcome) {
  outcome.changed = text != document.text;
  if (outcome.changed) document.text.assign(text);
}

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

MadeStep make_extract(OptionReader& options, const Folder&) {
  const std::string mode = options.choice("mode", "precision", {"precision", "recall", "justext"});
  const std::string language = options.text("language", "en");
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto op, make_extractor(mode, language));
  return std::unique_ptr<Step>(std::make_unique<ExtractStep>("extract " + mode, std::move(op)));
}

/// Runs of three and more newlines become two, line ends of other systems one; what a line ends with in white space
/// goes.
std::string tidy_newlines(std::string_view text) {
  std::string out;
  size_t newlines = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\r') {
      if (i + 1 < text.size() && text[i + 1] == '\n') continue;
      c = '\n';
    }
    if (c != '\n') {
      newlines = 0;
      out += c;
      continue;
    }
    while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
    if (++newlines <= 2) out += c;
  }
  return out;
}

class CleanStep final : public Step {
 public:
  CleanStep(std::string label, std::vector<std::string> ops, std::unique_ptr<Operator> mojibake)
      : Step(std::move(label)), ops_(std::move(ops)), mojibake_(std::move(mojibake)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const std::string before = document.text;
    for (const std::string& op : ops_) {
      if (op == "mojibake") document.text = std::string(Annotation(*mojibake_, document).text("text"));
      if (op == "nfc") document.text = to_utf8(to_nfc(to_codes(document.text)));
      if (op == "newlines") document.text = tidy_newlines(document.text);
    }
    Outcome outcome;
    outcome.changed = document.text != before;
    if (outcome.changed) outcome.labels.emplace_back("changed");
    return outcome;
  }

 private:
  std::vector<std::string> ops_;
  std::unique_ptr<Operator> mojibake_;
};

MadeStep make_clean(OptionReader& options, const Folder&) {
  std::vector<std::string> ops = options.texts("ops");
  if (ops.empty()) ops = {"mojibake"};
  for (const std::string& op : ops) {
    if (op != "mojibake" && op != "nfc" && op != "newlines") options.fail("ops", op, "mojibake, nfc, newlines");
  }
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto mojibake, make_cleaner("mojibake"));
  return std::unique_ptr<Step>(
      std::make_unique<CleanStep>(fmt::format("clean {}", fmt::join(ops, ", ")), ops, std::move(mojibake)));
}

class LanguageStep final : public Step {
 public:
  struct Settings {
    std::vector<std::string> keep;  // empty: all
    double score_least = 0;
    std::string member;  // empty: none
  };
  LanguageStep(std::string label, std::unique_ptr<LanguageModel> model, Settings settings)
      : Step(std::move(label)), model_(std::move(model)), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Language language = model_->identify(document.text);
    Outcome outcome;
    outcome.labels.push_back(language.code);
    outcome.values.emplace_back("language_score", language.score);
    outcome.details = fmt::format(R"({{"lang":"{}","score":{}}})", language.code, json_number(language.score));
    if (!settings_.member.empty()) {
      outcome.members.emplace_back(settings_.member, json_text(language.code));
      outcome.members.emplace_back(settings_.member + "_score", json_number(language.score));
    }
    const auto& keep = settings_.keep;
    if (!keep.empty() && std::find(keep.begin(), keep.end(), language.code) == keep.end()) {
      outcome.reason = "language " + language.code;
    } else if (language.score < settings_.score_least) {
      outcome.reason = "score below the least";
    }
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"language_score", 0, 1, settings_.score_least, 1e300}};
  }

 private:
  std::unique_ptr<LanguageModel> model_;
  Settings settings_;
};

MadeStep make_language(OptionReader& options, const Folder& folder) {
  LanguageStep::Settings settings;
  settings.keep = options.texts("keep");
  settings.score_least = options.number("min_score", 0, 0, 1);
  settings.member = options.text("member", "lang");
  const std::string file = options.text("model", "");
  KEDGE_TRY(options.finish());
  auto model = built_in_language_model();
  if (!file.empty()) {
    KEDGE_ASSIGN(model, open_fasttext_model(folder / file));
  }
  const std::string label =
      settings.keep.empty() ? "language" : fmt::format("language {}", fmt::join(settings.keep, ", "));
  return std::unique_ptr<Step>(std::make_unique<LanguageStep>(label, std::move(model), std::move(settings)));
}

/// A filter of NeMo's with the limits of this pipeline.
struct ActiveLimit {
  const NemoLimit* limit;
  double least, most;
};

class NemoStep final : public Step {
 public:
  NemoStep(std::string label, std::vector<ActiveLimit> limits, bool write_scores)
      : Step(std::move(label)), op_(make_nemo_profile()), limits_(std::move(limits)), write_scores_(write_scores) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Annotation said(*op_, document);
    const simdjson::dom::element scores = said.root()["scores"];
    Outcome outcome;
    outcome.details = said.json();
    if (write_scores_) outcome.members.emplace_back("scores", std::string(simdjson::minify(scores)));
    for (const ActiveLimit& active : limits_) {
      double value = 0;
      const bool defined = scores[active.limit->name].at(0).get(value) == simdjson::SUCCESS;
      if (defined) outcome.values.emplace_back(active.limit->name, value);
      if (outcome.reason.empty() && !(defined && active.least <= value && value <= active.most)) {
        outcome.reason = active.limit->name;
      }
    }
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    std::vector<ValueRange> ranges;
    for (const ActiveLimit& active : limits_) {
      ranges.push_back({active.limit->name, active.limit->low, active.limit->high, active.least, active.most});
    }
    return ranges;
  }

 private:
  std::unique_ptr<Operator> op_;
  std::vector<ActiveLimit> limits_;
  bool write_scores_;
};

Result<std::vector<ActiveLimit>> read_limits(OptionReader& options) {
  std::vector<ActiveLimit> active;
  const std::vector<std::string> only = options.texts("only");
  for (const std::string& name : only) {
    if (find_nemo_limit(name) == nullptr) options.fail("only", name, "names of NeMo's filters (`kedge curate ops`)");
  }
  if (only.empty()) {
    for (const NemoLimit& limit : nemo_limits()) active.push_back({&limit, limit.least, limit.most});
  } else {
    for (const std::string& name : only) {
      if (const NemoLimit* limit = find_nemo_limit(name)) active.push_back({limit, limit->least, limit->most});
    }
  }
  const Json* const limits = options.value("limits");
  if (limits == nullptr) return active;
  if (!limits->is_object()) {
    options.fail("limits", *limits, "names of filters, each with min or max");
    return active;
  }
  for (const auto& [name, value] : limits->items()) {
    const auto found =
        std::find_if(active.begin(), active.end(), [&](const ActiveLimit& a) { return a.limit->name == name; });
    if (found == active.end()) {
      options.fail("limits", name, "a filter that is in use");
      continue;
    }
    OptionReader reader(value, options.where() + ".limits." + name);
    found->least = reader.number("min", found->least, -1e300, 1e300);
    found->most = reader.number("max", found->most, -1e300, 1e300);
    KEDGE_TRY(reader.finish());
  }
  return active;
}

/// DataTrove's filters, or NeMo's for code: they decide themselves.
class ProfileStep final : public Step {
 public:
  ProfileStep(std::string label, std::unique_ptr<Operator> op, bool code)
      : Step(std::move(label)), op_(std::move(op)), code_(code) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const Annotation said(*op_, document);
    Outcome outcome;
    outcome.details = said.json();
    outcome.reason = code_ ? first_dropping(said) : std::string(said.text("reason"));
    outcome.keep = outcome.reason.empty();
    return outcome;
  }

 private:
  static std::string first_dropping(const Annotation& said) {
    simdjson::dom::object scores;
    if (said.root()["code"].get(scores) != simdjson::SUCCESS) return {};
    for (const auto& [name, score] : scores) {
      bool keep = true;
      if (score.at(1).get(keep) == simdjson::SUCCESS && !keep) return std::string(name);
    }
    return {};
  }

  std::unique_ptr<Operator> op_;
  bool code_;
};

MadeStep make_filter(OptionReader& options, const Folder&) {
  const std::string profile = options.choice("profile", "nemo", {"nemo", "nemo-code", "datatrove"});
  const std::string label = "filter " + profile;
  if (profile == "nemo") {
    KEDGE_ASSIGN(auto limits, read_limits(options));
    const bool write_scores = options.flag("scores", false);
    KEDGE_TRY(options.finish());
    return std::unique_ptr<Step>(std::make_unique<NemoStep>(label, std::move(limits), write_scores));
  }
  KEDGE_TRY(options.finish());
  KEDGE_ASSIGN(auto op, make_profile(profile));
  return std::unique_ptr<Step>(std::make_unique<ProfileStep>(label, std::move(op), profile == "nemo-code"));
}

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

class TokensStep final : public Step {
 public:
  TokensStep(std::string label, std::shared_ptr<const Tokenizer> tokenizer, int64_t least, int64_t most,
             std::string member)
      : Step(std::move(label)),
        tokenizer_(std::move(tokenizer)),
        least_(least),
        most_(most),
        member_(std::move(member)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const auto ids = tokenizer_->encode(document.text, {.parse_special = false});
    if (!ids.ok()) {  // too large for any training run
      outcome.keep = false;
      outcome.reason = "cannot be tokenized";
      return outcome;
    }
    const auto count = static_cast<int64_t>(ids.value().size());
    outcome.values.emplace_back("tokens", static_cast<double>(count));
    outcome.details = fmt::format(R"({{"tokens":{}}})", count);
    if (!member_.empty()) outcome.members.emplace_back(member_, std::to_string(count));
    outcome.keep = least_ <= count && count <= most_;
    if (!outcome.keep) outcome.reason = count < least_ ? "too few tokens" : "too many tokens";
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"tokens", 0, 4000, static_cast<double>(least_), static_cast<double>(most_)}};
  }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  int64_t least_, most_;
  std::string member_;
};

MadeStep make_tokens(OptionReader& options, const Folder& folder) {
  const std::string path = options.text("tokenizer", "");
  const int64_t least = options.whole("min", 0, 0, INT64_MAX);
  const int64_t most = options.whole("max", INT64_MAX, 0, INT64_MAX);
  const std::string member = options.text("member", "token_count");
  KEDGE_TRY(options.finish());
  if (path.empty()) {
    return Error{ErrorKind::invalid_input,
                 options.where() + ".tokenizer: not there, expected a tokenizer's file or folder"};
  }
  KEDGE_ASSIGN(auto tokenizer, Tokenizer::open(folder / path));
  return std::unique_ptr<Step>(std::make_unique<TokensStep>("tokens", std::move(tokenizer), least, most, member));
}

class SampleStep final : public Step {
 public:
  SampleStep(std::string label, double share, uint64_t seed) : Step(std::move(label)), share_(share), seed_(seed) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    Outcome outcome;
    const uint64_t hash = XXH3_64bits_withSeed(document.id_json.data(), document.id_json.size(), seed_);
    outcome.keep = static_cast<double>(hash >> 11) * 0x1p-53 < share_;
    if (!outcome.keep) outcome.reason = "not in the sample";
    return outcome;
  }

 private:
  double share_;
  uint64_t seed_;
};

MadeStep make_sample(OptionReader& options, const Folder&) {
  const double share = options.number("share", 1, 0, 1);
  const auto seed = static_cast<uint64_t>(options.whole("seed", 1, 0, INT64_MAX));
  KEDGE_TRY(options.finish());
  return std::unique_ptr<Step>(std::make_unique<SampleStep>(fmt::format("sample {}", share), share, seed));
}

}  // namespace

const std::vector<OperatorInfo>& operators() {
  static const std::vector<OperatorInfo> all = {
      {"extract",
       "the main text of pages: `html` in JSONL, or responses in web archives",
       "docs/guide/curate.md; jusText: Pomikalek 2011",
       {{"mode", "precision", "precision, recall or justext"}, {"language", "en", "justext: of the stop words"}},
       make_extract},
      {"clean",
       "repaired texts, op by op",
       "ftfy; Unicode annex 15 (NFC)",
       {{"ops", "[mojibake]",
         "mojibake: wrong decodings and character references; nfc: Unicode's composed form; newlines: one line end, at "
         "most two in a row"}},
       make_clean},
      {"language",
       "the language of a text, written beside it; drops others where `keep` is there",
       "fastText (Joulin et al. 2017); the built-in model knows 36 languages",
       {{"keep", "", "codes to keep, ISO 639-1; all without it"},
        {"min_score", "0", "drop below this probability"},
        {"model", "", "a fastText model (.bin, .ftz) in place of the built-in one"},
        {"member", "lang", "where it is written, and `..._score`; empty: nowhere"}},
       make_language},
      {"filter",
       "a peer's heuristic filters, with that peer's own numbers",
       "NeMo Curator 1.4; DataTrove 0.10 (Gopher, C4, FineWeb)",
       {{"profile", "nemo", "nemo, nemo-code or datatrove"},
        {"only", "", "nemo: these filters, in this order"},
        {"limits", "", "nemo: by filter's name, min or max in place of NeMo's"},
        {"scores", "false", "nemo: write all scores beside the text"}},
       make_filter},
      {"pii",
       "personal data: email and IP addresses, phone, card, account and social security numbers",
       "docs/guide/curate.md",
       {{"action", "mask", "mask: [TYPE] in place of each value; detect: counts alone"},
        {"ip", "all", "all or public: which IPv4 addresses count"}},
       make_pii},
      dedup_operator(),
      {"decontaminate",
       "drops documents that hold evaluation items",
       "NeMo Curator 0.8's TaskDecontamination; fuzzy: Smith and Waterman 1981",
       {{"against", "", R"(JSON list of {"task", "item", "question", "answer"})"},
        {"mode", "ngram", "ngram (runs of 8 to 13 words) or fuzzy (changed words too)"}},
       make_decontaminate},
      {"tokens",
       "how many tokens a text has, written beside it",
       "any tokenizer that kedge reads",
       {{"tokenizer", "", "its file or folder"},
        {"min", "0", "drop documents with fewer"},
        {"max", "", "and with more"},
        {"member", "token_count", "where it is written; empty: nowhere"}},
       make_tokens},
      {"sample",
       "a share of the documents, chosen by their ids",
       "XXH3 of the id",
       {{"share", "1", "from 0 to 1"}, {"seed", "1", "another one chooses others"}},
       make_sample},
  };
  return all;
}

const OperatorInfo* find_operator(std::string_view name) {
  for (const OperatorInfo& info : operators()) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

}  // namespace kedge::curate
