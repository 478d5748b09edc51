// data-juicer's recipes: its operators by the steps that do the same, with its names and defaults (1.6.1).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "curate/pipeline/foreign.h"
#include "curate/pipeline/options.h"

namespace kedge::curate {
namespace {

constexpr double kAnyNumber = 1e300;

/// A number of the recipe's; what is as large as Python's sys.maxsize bounds nothing.
double bound(OptionReader& options, std::string_view name, double fallback) {
  return options.number(name, fallback, -kAnyNumber, kAnyNumber);
}

Error without_counterpart(const OptionReader& options, std::string_view what, std::string_view nearest) {
  return {ErrorKind::unsupported,
          fmt::format("{}: {} has no counterpart; the nearest is `{}`", options.where(), what, nearest)};
}

/// A statistic of the filter step's profile `data-juicer` between two bounds.
Status keep_between(OptionReader& options, StepConfig& step, std::string_view statistic,
                    std::array<std::string_view, 2> names, std::array<double, 2> defaults) {
  step.op = "filter";
  Json limits = {{"min", bound(options, names[0], defaults[0])}, {"max", bound(options, names[1], defaults[1])}};
  step.options = {{"profile", "data-juicer"}, {"limits", {{std::string(statistic), std::move(limits)}}}};
  return Done{};
}

Status text_length(OptionReader& options, StepConfig& step) {
  return keep_between(options, step, "text_len", {"min_len", "max_len"}, {10, kAnyNumber});
}

Status average_line_length(OptionReader& options, StepConfig& step) {
  return keep_between(options, step, "avg_line_length", {"min_len", "max_len"}, {10, kAnyNumber});
}

Status maximum_line_length(OptionReader& options, StepConfig& step) {
  return keep_between(options, step, "max_line_length", {"min_len", "max_len"}, {10, kAnyNumber});
}

Status alphanumeric(OptionReader& options, StepConfig& step) {
  if (options.flag("tokenization", false)) {
    return without_counterpart(options, "tokenization", "tokens: {tokenizer: PATH, min_fertility: 2.5}");
  }
  return keep_between(options, step, "alnum_ratio", {"min_ratio", "max_ratio"}, {0.25, kAnyNumber});
}

Status words_num(OptionReader& options, StepConfig& step) {
  if (options.flag("tokenization", false)) {
    return without_counterpart(options, "tokenization", "tokens: {tokenizer: PATH, min: 10}");
  }
  options.text("lang", "en");
  return keep_between(options, step, "num_words", {"min_num", "max_num"}, {10, kAnyNumber});
}

Status character_repetition(OptionReader& options, StepConfig& step) {
  const int64_t length = options.whole("rep_len", 10, 1, 1000);
  KEDGE_TRY(keep_between(options, step, "char_rep_ratio", {"min_ratio", "max_ratio"}, {0, 0.5}));
  step.options["rep_len"] = length;
  return Done{};
}

Status word_repetition(OptionReader& options, StepConfig& step) {
  if (options.flag("tokenization", false)) {
    return without_counterpart(options, "tokenization",
                               "filter: {profile: data-juicer, limits: {char_rep_ratio: {max: "
                               "0.5}}}");
  }
  options.text("lang", "en");
  const int64_t length = options.whole("rep_len", 10, 1, 1000);
  KEDGE_TRY(keep_between(options, step, "word_rep_ratio", {"min_ratio", "max_ratio"}, {0, 0.5}));
  step.options["rep_len"] = length;
  return Done{};
}

Status special_characters(OptionReader& options, StepConfig& step) {
  return keep_between(options, step, "special_char_ratio", {"min_ratio", "max_ratio"}, {0, 0.25});
}

/// By a list of words that data-juicer would download.
Status listed_words(OptionReader& options, StepConfig& step, const std::string& kind, std::array<double, 2> defaults) {
  if (options.flag("tokenization", false)) {
    return without_counterpart(options, "tokenization", "tokenization: false");
  }
  Json settings = Json::object();
  for (const char* name : {"lang", "use_words_aug", "words_aug_group_sizes", "words_aug_join_char"}) {
    if (const Json* const value = options.value(name)) settings[name] = *value;
  }
  const std::string folder = options.text(kind + "_dir", "");
  if (folder.empty()) {
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: data-juicer downloads its words; put them into a folder as {}.json ({{\"en\": [\"a\", "
                    "...]}}) and name it as {}_dir",
                    options.where(), kind, kind)};
  }
  settings[kind + "_dir"] = folder;
  KEDGE_TRY(keep_between(options, step, kind + "_ratio", {"min_ratio", "max_ratio"}, defaults));
  step.options.update(settings);
  return Done{};
}

Status stop_words(OptionReader& options, StepConfig& step) {
  return listed_words(options, step, "stopwords", {0.3, 1});
}

Status flagged_words(OptionReader& options, StepConfig& step) {
  return listed_words(options, step, "flagged_words", {0, 0.045});
}

/// `model` and `tokenizer` are ours: data-juicer downloads both.
Status perplexity(OptionReader& options, StepConfig& step) {
  step.op = "perplexity";
  const std::string language = options.text("lang", "en");
  step.options = {{"model", options.text("model", "")}, {"tokenizer", options.text("tokenizer", "")}};
  step.options["min"] = options.number("min_ppl", 0, 0, kAnyNumber);
  step.options["max"] = options.number("max_ppl", 1500, 0, kAnyNumber);
  step.options["normalize"] = "data-juicer";
  step.options["member"] = "";
  if (step.options["model"] != "" && step.options["tokenizer"] != "") return Done{};
  return Error{
      ErrorKind::unsupported,
      fmt::format("{0}: data-juicer downloads its models; name those of language '{1}' as model ({1}.arpa.bin, "
                  "KenLM's) and tokenizer ({1}.sp.model, SentencePiece's)",
                  options.where(), language)};
}

Status html(OptionReader&, StepConfig& step) {
  step.op = "clean";
  step.options["ops"] = {"html"};
  return Done{};
}

Status token_num(OptionReader& options, StepConfig& step) {
  step.op = "tokens";
  step.options["tokenizer"] = options.text("hf_tokenizer", "EleutherAI/pythia-6.9b-deduped");
  step.options["min"] = options.whole("min_num", 10, 0, INT64_MAX);
  step.options["max"] = options.whole("max_num", INT64_MAX, 0, INT64_MAX);
  step.options["member"] = "";
  return Done{};
}

Status language_id_score(OptionReader& options, StepConfig& step) {
  step.op = "language";
  step.options["keep"] = options.texts("lang");
  step.options["min_score"] = options.number("min_score", 0.8, 0, 1);
  step.options["member"] = "";
  return Done{};
}

Status fix_unicode(OptionReader& options, StepConfig& step) {
  step.op = "clean";
  const std::string form = options.choice("normalization", "NFC", {"NFC", "NFKC", "NFD", "NFKD"});
  step.options["ops"] = Json::array({{{"ftfy", {{"normalization", form}}}}});
  return Done{};
}

Status white_space(OptionReader&, StepConfig& step) {
  step.op = "clean";
  step.options["ops"] = {"white_space"};
  return Done{};
}

Status copyright(OptionReader&, StepConfig& step) {
  step.op = "clean";
  step.options["ops"] = {"copyright"};
  return Done{};
}

/// Python's pattern with DOTALL; r'...' around it is taken off, as data-juicer does.
Status replace(OptionReader& options, StepConfig& step, std::string_view fallback) {
  std::string pattern = options.text("pattern", std::string(fallback));
  const std::string text = options.text("repl", "");
  const bool quoted =
      pattern.size() > 2 && (pattern.starts_with("r'") || pattern.starts_with("r\"")) && pattern.back() == pattern[1];
  if (quoted) pattern = pattern.substr(2, pattern.size() - 3);
  if (text.find('\\') != std::string::npos) options.fail("repl", text, "plain text, without references to groups");
  step.op = "clean";
  step.options["ops"] = Json::array({{{"replace", {{"pattern", "(?s)" + pattern}, {"with", text}}}}});
  return Done{};
}

Status clean_email(OptionReader& options, StepConfig& step) {
  return replace(options, step, R"([A-Za-z0-9.\-+_]+@[a-z0-9.\-+_]+\.[a-z]+)");
}

Status clean_ip(OptionReader& options, StepConfig& step) {
  return replace(options, step,
                 R"((?:(?:1[0-9][0-9]\.)|(?:2[0-4][0-9]\.)|(?:25[0-5]\.)|(?:[1-9][0-9]\.)|(?:[0-9]\.)){3})"
                 R"((?:(?:1[0-9][0-9])|(?:2[0-4][0-9])|(?:25[0-5])|(?:[1-9][0-9])|(?:[0-9]))|)"
                 R"(([\da-fA-F]{1,4}:){7}[\da-fA-F]{1,4})");
}

Status clean_links(OptionReader& options, StepConfig& step) {
  return replace(options, step,
                 R"re((?i)\b((?:[a-z][\w-]+:(?:\/{1,3}|[a-z0-9%])|www\d{0,3}[.]|[a-z0-9.\-]+[.][a-z]{2,4}\/))re"
                 R"re((?:[^\s()<>]+|\(([^\s()<>]+|(\([^\s()<>]+\)))*\))+)re"
                 R"re((?:\(([^\s()<>]+|(\([^\s()<>]+\)))*\)|[^\s`!()\[\]{};:\'\".,<>?«»“”‘’])))re");
}

Status replace_content(OptionReader& options, StepConfig& step) {
  if (options.value("pattern") == nullptr) options.fail("pattern", nullptr, "a regular expression");
  return replace(options, step, "");
}

Status document_exact(OptionReader& options, StepConfig& step) {
  step.op = "dedup";
  step.options = {{"method", "exact"}, {"normalize", "none"}};
  if (options.flag("lowercase", false) || options.flag("ignore_non_character", false)) {
    return without_counterpart(options, "lowercase or ignore_non_character", "dedup: {method: exact, normalize: text}");
  }
  return Done{};
}

Status document_minhash(OptionReader& options, StepConfig& step) {
  step.op = "dedup";
  step.options = {{"method", "fuzzy"}, {"params", "kedge"}, {"verify", true}};
  step.options["min_jaccard"] = options.number("jaccard_threshold", 0.7, 0, 1);
  for (const char* chosen_here : {"tokenization", "window_size", "num_permutations", "num_bands", "num_rows_per_band",
                                  "lowercase", "ignore_pattern"}) {
    options.value(chosen_here);
  }
  return Done{};
}

struct Counterpart {
  std::string_view name;
  Status (*read)(OptionReader& options, StepConfig& step);
};

constexpr auto kCounterparts = std::to_array<Counterpart>({
    {"alphanumeric_filter", alphanumeric},
    {"average_line_length_filter", average_line_length},
    {"character_repetition_filter", character_repetition},
    {"clean_copyright_mapper", copyright},
    {"clean_email_mapper", clean_email},
    {"clean_html_mapper", html},
    {"clean_ip_mapper", clean_ip},
    {"clean_links_mapper", clean_links},
    {"document_deduplicator", document_exact},
    {"document_minhash_deduplicator", document_minhash},
    {"fix_unicode_mapper", fix_unicode},
    {"flagged_words_filter", flagged_words},
    {"language_id_score_filter", language_id_score},
    {"maximum_line_length_filter", maximum_line_length},
    {"perplexity_filter", perplexity},
    {"replace_content_mapper", replace_content},
    {"special_characters_filter", special_characters},
    {"stopwords_filter", stop_words},
    {"text_length_filter", text_length},
    {"token_num_filter", token_num},
    {"whitespace_normalization_mapper", white_space},
    {"word_repetition_filter", word_repetition},
    {"words_num_filter", words_num},
});

struct Nearest {
  std::string_view name, step;
};

/// What comes near to operators that rest on files of data-juicer's, or count otherwise.
constexpr auto kNearest = std::to_array<Nearest>({
    {"document_line_deduplicator", "dedup: {method: paragraph}"},
    {"document_simhash_deduplicator", "dedup: {method: fuzzy, verify: true}"},
    {"punctuation_normalization_mapper", "clean: {ops: [widths, quotes]}"},
    {"remove_repeat_sentences_mapper", "dedup: {method: sentence}"},
    {"remove_specific_chars_mapper", "clean: {ops: [{replace: {pattern: \"[◆●■]\"}}]}"},
    {"text_chunk_mapper", "kedge curate pack"},
});

size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

/// The three names that are the most like this one.
std::string alike(std::string_view op) {
  std::vector<std::pair<size_t, std::string_view>> names;
  constexpr size_t kNameMax = 100, kShown = 3;
  for (const Counterpart& known : kCounterparts) {
    names.emplace_back(edits_between(op.substr(0, kNameMax), known.name), known.name);
  }
  std::sort(names.begin(), names.end());
  return fmt::format("{}, {} or {}", names[0].second, names[1].second, names[kShown - 1].second);
}

Error unknown(const std::string& op, const std::string& where) {
  const auto near = std::find_if(kNearest.begin(), kNearest.end(), [&](const Nearest& n) { return n.name == op; });
  if (near != kNearest.end()) {
    return {ErrorKind::unsupported,
            fmt::format("{}: found '{}', which has no counterpart; the nearest is `{}`", where, op, near->step)};
  }
  return {
      ErrorKind::unsupported,
      fmt::format("{}: found '{}', which has no counterpart; those that have one and are spelled most like it are {}",
                  where, op, alike(op))};
}

Result<StepConfig> read_step(const std::string& op, const Json& settings, const std::string& where) {
  OptionReader options(settings, where);
  StepConfig step{.op = "", .options = Json::object(), .where = where};
  const auto found =
      std::find_if(kCounterparts.begin(), kCounterparts.end(), [&](const Counterpart& c) { return c.name == op; });
  if (found == kCounterparts.end()) return unknown(op, where);
  for (const char* how_it_runs :
       {"text_key", "batch_size", "num_proc", "cpu_required", "mem_required", "accelerator"}) {
    options.value(how_it_runs);
  }
  KEDGE_TRY(found->read(options, step));
  KEDGE_TRY(options.finish());
  return step;
}

}  // namespace

Result<Pipeline> read_data_juicer(const Json& json, const std::string& name) {
  Pipeline pipeline;
  OptionReader options(json, name);
  pipeline.inputs = options.texts("dataset_path");
  pipeline.output = options.text("export_path", "");
  const std::vector<std::string> keys = options.texts("text_keys");
  if (!keys.empty()) pipeline.fields.text = keys.front();
  for (const char* ignored : {"project_name", "np", "open_tracer", "trace_num", "use_cache", "export_shard_size"}) {
    options.value(ignored);
  }
  const Json* const process = options.value("process");
  KEDGE_TRY(options.finish());
  if (process == nullptr || !process->is_array() || process->empty() || process->size() > kStepsMax) {
    return Error{ErrorKind::invalid_input, fmt::format("{}.process: expected a list of operators", name)};
  }
  for (size_t i = 0; i < process->size(); ++i) {
    const Json& entry = (*process)[i];
    const std::string where = fmt::format("{}.process[{}]", name, i);
    if (!entry.is_string() && !(entry.is_object() && entry.size() == 1)) {
      return Error{ErrorKind::invalid_input, where + ": expected one operator and its settings"};
    }
    const std::string op = entry.is_string() ? entry.get<std::string>() : entry.begin().key();
    KEDGE_ASSIGN(StepConfig step, read_step(op, entry.is_string() ? Json() : entry.begin().value(), where + "." + op));
    pipeline.steps.push_back(std::move(step));
  }
  return pipeline;
}

}  // namespace kedge::curate
