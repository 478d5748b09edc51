// The steps that tell languages, scripts and source code.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "curate/language/code_language.h"
#include "curate/language/identify.h"
#include "curate/language/script.h"
#include "curate/pipeline/steps.h"

namespace kedge::curate {
namespace {

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
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (settings_.member.empty()) return {};
    return {{settings_.member, MemberInfo::Kind::text}, {settings_.member + "_score", MemberInfo::Kind::number}};
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

class ScriptStep final : public Step {
 public:
  struct Settings {
    std::vector<std::string> keep;  // empty: all
    double share_least = 0;
    std::string member;  // empty: none
  };
  explicit ScriptStep(Settings settings) : Step("script"), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const ScriptShare script = main_script(to_codes(document.text));
    Outcome outcome;
    outcome.labels.push_back(script.code);
    outcome.values.emplace_back("script_share", script.share);
    outcome.details = fmt::format(R"({{"script":"{}","share":{}}})", script.code, json_number(script.share));
    if (!settings_.member.empty()) outcome.members.emplace_back(settings_.member, json_text(script.code));
    const auto& keep = settings_.keep;
    if (!keep.empty() && std::find(keep.begin(), keep.end(), script.code) == keep.end()) {
      outcome.reason = "script " + script.code;
    } else if (script.share < settings_.share_least) {
      outcome.reason = "scripts mixed";
    }
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"script_share", 0, 1, settings_.share_least, 1e300}};
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (settings_.member.empty()) return {};
    return {{settings_.member, MemberInfo::Kind::text}};
  }

 private:
  Settings settings_;
};

MadeStep make_script(OptionReader& options, const Folder&) {
  ScriptStep::Settings settings;
  settings.keep = options.texts("keep");
  settings.share_least = options.number("min_share", 0, 0, 1);
  settings.member = options.text("member", "script");
  KEDGE_TRY(options.finish());
  return std::unique_ptr<Step>(std::make_unique<ScriptStep>(std::move(settings)));
}

class CodeStep final : public Step {
 public:
  struct Settings {
    std::vector<std::string> keep;  // empty: all
    double share_least = 0, share_most = 1;
    std::string member;  // empty: none
  };
  explicit CodeStep(Settings settings) : Step("code"), settings_(std::move(settings)) {}

  [[nodiscard]] Outcome apply(data::Document& document) const override {
    const CodeShare code = code_of(document.text);
    const std::string name = code.language.empty() ? "null" : json_text(code.language);
    Outcome outcome;
    outcome.labels.emplace_back(code.language.empty() ? "none" : code.language);
    outcome.values.emplace_back("code_share", code.share);
    outcome.details = fmt::format(R"({{"code":{},"share":{}}})", name, json_number(code.share));
    if (!settings_.member.empty()) {
      outcome.members.emplace_back(settings_.member, name);
      outcome.members.emplace_back(settings_.member + "_share", json_number(code.share));
    }
    const auto& keep = settings_.keep;
    if (code.share < settings_.share_least) {
      outcome.reason = "less code";
    } else if (code.share > settings_.share_most) {
      outcome.reason = "more code";
    } else if (!keep.empty() && std::find(keep.begin(), keep.end(), code.language) == keep.end()) {
      outcome.reason = fmt::format("code {}", code.language.empty() ? "none" : code.language);
    }
    outcome.keep = outcome.reason.empty();
    return outcome;
  }
  [[nodiscard]] std::vector<ValueRange> value_ranges() const override {
    return {{"code_share", 0, 1, settings_.share_least, settings_.share_most}};
  }
  [[nodiscard]] std::vector<MemberInfo> members() const override {
    if (settings_.member.empty()) return {};
    return {{settings_.member, MemberInfo::Kind::text}, {settings_.member + "_share", MemberInfo::Kind::number}};
  }

 private:
  Settings settings_;
};

MadeStep make_code(OptionReader& options, const Folder&) {
  CodeStep::Settings settings;
  settings.keep = options.texts("keep");
  settings.share_least = options.number("min_share", 0, 0, 1);
  settings.share_most = options.number("max_share", 1, 0, 1);
  settings.member = options.text("member", "code");
  KEDGE_TRY(options.finish());
  const auto& known = code_languages();
  for (const std::string& name : settings.keep) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return Error{ErrorKind::invalid_input,
                 fmt::format("code.keep: found \"{}\", expected languages of: {}", name, fmt::join(known, ", "))};
  }
  return std::unique_ptr<Step>(std::make_unique<CodeStep>(std::move(settings)));
}

}  // namespace

OperatorInfo code_operator() {
  return {"code",
          "how much of a text is source code and in which language, written beside it; drops others where asked",
          "rules of our own, src/curate/language/code_rules.txt; 27 languages",
          {{"keep", "", "languages to keep (python, cpp, html); all without it"},
           {"min_share", "0", "drop where fewer of the lines are code"},
           {"max_share", "1", "drop where more of the lines are code"},
           {"member", "code", "where the language or null is written, and `..._share`; empty: nowhere"}},
          make_code};
}

OperatorInfo script_operator() {
  return {"script",
          "the script that most letters of a text are of, written beside it; drops others where `keep` is there",
          "Unicode Standard Annex 24",
          {{"keep", "", "codes to keep, ISO 15924 (Latn, Cyrl, Hani); all without it"},
           {"min_share", "0", "drop where fewer of the letters are of it"},
           {"member", "script", "where it is written; empty: nowhere"}},
          make_script};
}

OperatorInfo language_operator() {
  return {"language",
          "the language of a text, written beside it; drops others where `keep` is there",
          "fastText (Joulin et al. 2017); the built-in model knows 36 languages",
          {{"keep", "", "codes to keep, ISO 639-1; all without it"},
           {"min_score", "0", "drop below this probability"},
           {"model", "", "a fastText model (.bin, .ftz) in place of the built-in one"},
           {"member", "lang", "where it is written, and `..._score`; empty: nowhere"}},
          make_language};
}

}  // namespace kedge::curate
