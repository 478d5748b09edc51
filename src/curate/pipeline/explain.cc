#include "curate/pipeline/explain.h"

#include <fmt/format.h>

#include <optional>

#include "core/file.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

struct Found {
  data::Document document;
  fs::path file;
};

/// The first document of this id.
Result<Found> find_document(const Stages& stages, const data::Fields& fields, const ExplainOptions& options,
                            WorkerPool& pool, const std::stop_token& stop) {
  std::string quoted;
  data::append_json_string(quoted, options.id);
  std::optional<Found> found;
  const bool pages = stages.stages.front().extracts;
  for (const data::Input& input : options.inputs) {
    Visitor visitor;
    if (pages) {
      visitor.read_page = [&](const data::Record& record) {
        return stages.stages.front().steps.front()->read_page(record);
      };
    }
    visitor.take = [&](size_t, data::Document& document) -> Status {
      if (document.id_json != quoted && document.id_json != options.id) return Done{};
      found = Found{std::move(document), input.path};
      return Error{ErrorKind::cancelled, "found"};
    };
    const auto counts = visit({{input}, {}, fields, true}, visitor, pool, {}, stop);
    if (found) return *std::move(found);
    if (!counts.ok()) return counts.error();
  }
  return Error{ErrorKind::not_found,
               fmt::format("no document '{}' in {} input files", options.id, options.inputs.size())};
}

/// The id that is kept in place of `id_json`: its own where it is no duplicate; nothing where no run says.
Result<std::optional<std::string>> kept_instead(const fs::path& clusters, const std::string& id_json) {
  if (clusters.empty()) return std::optional<std::string>();
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

Json step_json(const std::string& label, const Outcome& outcome) {
  const auto details = parse_json(outcome.details.empty() ? "null" : outcome.details, "details");
  return {{"step", label},
          {"keep", outcome.keep},
          {"reason", outcome.keep ? Json() : Json(outcome.reason)},
          {"changed", outcome.changed},
          {"details", details.ok() ? details.value() : Json()}};
}

}  // namespace

Result<Json> explain(const Pipeline& pipeline, const ExplainOptions& options, WorkerPool& pool,
                     const std::stop_token& stop) {
  KEDGE_ASSIGN(const Stages stages, make_stages(pipeline));
  KEDGE_ASSIGN(Found found, find_document(stages, input_fields(pipeline, stages), options, pool, stop));
  data::Document& document = found.document;
  Json steps = Json::array();
  Json kept = true;
  for (size_t stage = 0; stage < stages.stages.size() && kept == true; ++stage) {
    for (const auto& step : stages.stages[stage].steps) {
      const Outcome outcome = step->apply(document);
      steps.push_back(step_json(step->label(), outcome));
      kept = outcome.keep;
      if (!outcome.keep) break;
    }
    if (kept == false || stage + 1 == stages.stages.size()) break;
    const fs::path clusters = options.output.empty()
                                  ? fs::path()
                                  : options.output / "work" / fmt::format("dedup-{}", stage) / "clusters.jsonl";
    KEDGE_ASSIGN(const auto of, kept_instead(clusters, document.id_json));
    Outcome outcome;
    outcome.keep = !of || *of == document.id_json;
    outcome.reason = "duplicate";
    outcome.details = of ? "{\"of\":" + *of + "}" : R"({"of":null,"note":"no finished run was given"})";
    steps.push_back(step_json(stages.labels[steps.size()], outcome));
    if (!of) kept = nullptr;
    if (!outcome.keep) kept = false;
  }
  const auto id = parse_json(document.id_json, "id");
  return Json{{"id", id.ok() ? id.value() : Json(options.id)},
              {"file", found.file.string()},
              {"kept", kept},
              {"steps", steps},
              {"text", document.text}};
}

}  // namespace kedge::curate
