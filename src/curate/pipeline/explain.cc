#include "curate/pipeline/explain.h"

#include <fmt/format.h>

#include <optional>

#include "core/file.h"
#include "curate/pipeline/link.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWasBytes = 400;  // of what was cut or replaced, in one place

struct Found {
  data::Document document;
  fs::path file;
  size_t shard = 0;
};

/// The first document of this id in one input.
Result<std::optional<Found>> find_in(const data::Input& input, const Stage& stage, const data::Fields& fields,
                                     const std::string& id, WorkerPool& pool, const std::stop_token& stop) {
  std::string quoted;
  data::append_json_string(quoted, id);
  std::optional<Found> found;
  Visitor<> visitor;
  if (stage.extracts) {
    visitor.read_page = [&](const data::Record& record) { return stage.steps.front()->read_page(record); };
  }
  visitor.take = [&](Nothing, data::Document& document) -> Status {
    if (document.id_json != quoted && document.id_json != id) return Done{};
    found = Found{std::move(document), input.path};
    return Error{ErrorKind::cancelled, "found"};
  };
  const auto counts = visit({{input}, {}, fields, true}, visitor, pool, {}, stop);
  if (!found && !counts.ok()) return counts.error();
  return found;
}

Result<Found> find_document(const Pipeline& pipeline, const Stages& stages, const ExplainOptions& options,
                            WorkerPool& pool, const std::stop_token& stop) {
  const data::Fields fields = input_fields(pipeline, stages);
  const auto shards = data::group_inputs(options.inputs, pipeline.shard_bytes);
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    for (const data::Input& input : shards[shard]) {
      KEDGE_ASSIGN(auto found, find_in(input, stages.stages.front(), fields, options.id, pool, stop));
      if (!found) continue;
      found->shard = shard;
      return *std::move(found);
    }
  }
  return Error{ErrorKind::not_found,
               fmt::format("no document '{}' in {} input files", options.id, options.inputs.size())};
}

/// The id that is kept in place of `id_json`: its own where it is no duplicate; nothing where no run says.
Result<std::optional<std::string>> kept_instead(const fs::path& clusters, const std::string& id_json) {
  const auto file = MappedFile::open(clusters);
  if (!file.ok()) return std::optional<std::string>();
  const auto bytes = file.value()->bytes();
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!text.empty()) {
    const size_t newline = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, newline);
    text.remove_prefix(std::min(newline + 1, text.size()));
    if (line.find(id_json) == std::string_view::npos) continue;
    KEDGE_ASSIGN(const Json cluster, parse_json(line, clusters.string()));
    for (const Json& id : cluster["ids"]) {
      if (to_text(id) == id_json) return std::optional(to_text(cluster["keep"]));
    }
  }
  return std::optional(id_json);
}

/// What a run's deduplication did with the document; nothing where no run says.
/// `falls_apart`: whether it is several from here on.
Result<std::optional<Outcome>> deduplicated(const fs::path& folder, size_t shard, const DedupOptions& dedup,
                                            data::Document& document, bool& falls_apart) {
  std::error_code code;
  if (!fs::exists(folder / "linked.json", code)) return std::optional<Outcome>();
  if (dedup.method == DedupMethod::exact || dedup.method == DedupMethod::fuzzy) {
    KEDGE_ASSIGN(const auto of, kept_instead(folder / "clusters.jsonl", document.id_json));
    if (!of) return std::optional<Outcome>();
    Outcome outcome;
    outcome.keep = *of == document.id_json;
    outcome.reason = "duplicate";
    outcome.details = "{\"of\":" + *of + "}";
    return std::optional(std::move(outcome));
  }
  const auto entry = find_duplicate(folder / fmt::format("shard-{:05}.jsonl", shard), document.id_json);
  if (!entry.ok()) return std::optional<Outcome>();
  if (!entry.value()) return std::optional(Outcome());
  const std::optional<Removal> removal = read_removal(*entry.value());
  falls_apart = removal && removal->pieces.size() > 1;
  Outcome outcome = remove_duplicate(document, removal ? &*removal : nullptr, dedup);
  if (entry.value()->contains("cosine")) {
    outcome.details = to_text({{"of", (*entry.value())["of"]}, {"cosine", (*entry.value())["cosine"]}});
  }
  return std::optional(std::move(outcome));
}

/// What stands at [start, end) in code points.
std::string piece_of(std::string_view text, size_t start, size_t end) {
  size_t at = 0, code = 0, begin = text.size();
  for (; at < text.size() && code < end; ++at) {
    if ((text[at] & 0xC0) == 0x80) continue;
    if (code++ == start) begin = at;
  }
  while (at < text.size() && (text[at] & 0xC0) == 0x80) ++at;
  return begin >= at ? std::string() : beginning_of(text.substr(begin, at - begin), kWasBytes);
}

/// The places of a text that details speak of, each with what stood there.
Json pieces_of(const Json& details, std::string_view text) {
  Json pieces = Json::array();
  if (!details.is_object()) return pieces;
  const auto add = [&](const Json& start, const Json& end, Json piece) {
    if (!start.is_number_unsigned() || !end.is_number_unsigned()) return;
    piece["start"] = start;
    piece["end"] = end;
    piece["text"] = piece_of(text, start.get<size_t>(), end.get<size_t>());
    pieces.push_back(std::move(piece));
  };
  for (const char* name : {"cut", "split"}) {
    for (const Json& span : details.value(name, Json::array())) {
      if (span.is_array() && span.size() == 2) add(span[0], span[1], Json::object());
    }
  }
  for (const char* name : {"spans", "matches"}) {
    for (const Json& span : details.value(name, Json::array())) {
      if (span.is_object()) add(span.value("start", Json()), span.value("end", Json()), span);
    }
  }
  return pieces;
}

Json step_json(const std::string& label, const Outcome& outcome, std::string_view before) {
  const auto said = parse_json(outcome.details.empty() ? "null" : outcome.details, "details");
  const Json details = said.ok() ? said.value() : Json();
  Json step = {{"step", label},
               {"keep", outcome.keep},
               {"reason", outcome.keep ? Json() : Json(outcome.reason)},
               {"changed", outcome.changed},
               {"details", details}};
  Json pieces = pieces_of(details, before);
  if (!pieces.empty()) step["pieces"] = std::move(pieces);
  return step;
}

}  // namespace

Result<Json> explain(const Pipeline& pipeline, const ExplainOptions& options, WorkerPool& pool,
                     const std::stop_token& stop) {
  KEDGE_ASSIGN(const Stages stages, make_stages(pipeline));
  KEDGE_ASSIGN(Found found, find_document(pipeline, stages, options, pool, stop));
  data::Document& document = found.document;
  Json steps = Json::array();
  Json kept = true;
  for (size_t stage = 0; stage < stages.stages.size() && kept == true; ++stage) {
    for (const auto& step : stages.stages[stage].steps) {
      const std::string before = document.text;
      const Outcome outcome = step->apply(document);
      steps.push_back(step_json(step->label(), outcome, before));
      kept = outcome.keep;
      if (!outcome.keep) break;
    }
    if (kept == false || stage + 1 == stages.stages.size()) break;
    const std::string before = document.text;
    std::optional<Outcome> outcome;
    bool falls_apart = false;
    if (!options.output.empty()) {
      const fs::path folder = options.output / "work" / fmt::format("dedup-{}", stage);
      KEDGE_ASSIGN(outcome, deduplicated(folder, found.shard, stages.dedups[stage], document, falls_apart));
    }
    if (!outcome || falls_apart) kept = nullptr;  // each piece has a fate of its own
    if (outcome && !outcome->keep) kept = false;
    if (!outcome) {
      outcome.emplace();
      outcome->details = R"({"of":null,"note":"no finished run was given"})";
    }
    steps.push_back(step_json(stages.labels[steps.size()], *outcome, before));
  }
  const auto id = parse_json(document.id_json, "id");
  return Json{{"id", id.ok() ? id.value() : Json(options.id)},
              {"file", found.file.string()},
              {"kept", kept},
              {"steps", steps},
              {"text", document.text}};
}

}  // namespace kedge::curate
