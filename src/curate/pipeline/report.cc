#include "curate/pipeline/report.h"

#include <string_view>

namespace kedge::curate {

extern const std::string_view kReportTemplate;  // src/curate/pipeline/report.html

namespace {

constexpr std::string_view kPlace = "/*REPORT*/null";

Json ranges_json(const std::vector<ValueRange>& ranges) {
  Json json = Json::object();
  for (const ValueRange& range : ranges) {
    Json limits = Json::object();
    if (range.least > -1e300) limits["min"] = range.least;
    if (range.most < 1e300) limits["max"] = range.most;
    json[std::string(range.name)] = limits;
  }
  return json;
}

}  // namespace

Json Report::to_json() const {
  const StageStatistics& first = stages.front();
  const StageStatistics& last = stages.back();
  Json steps = Json::array();
  for (const StageStatistics& stage : stages) {
    for (const StepStatistics& step : stage.steps) {
      const size_t i = steps.size();
      Json json = {{"step", labels[i]}};
      json.update(step.to_json());
      json["dropped_count"] = step.in - step.kept;
      json["limits"] = ranges_json(ranges[i]);
      steps.push_back(std::move(json));
    }
  }
  uint64_t rejected = 0;
  for (const StageStatistics& stage : stages) rejected += stage.rejected;
  const uint64_t kept = last.documents_kept.value_or(last.kept);
  Json counts = {{"in", first.in}, {"kept", kept}, {"dropped", first.in - rejected - kept}, {"rejected", rejected}};
  if (last.documents_kept) counts["split_into"] = last.kept;
  Json all = {{"complete", true},
              {"inputs", inputs},
              {"counts", counts},
              {"text_bytes", {{"in", first.bytes_in}, {"kept", last.bytes_kept}}},
              {"lengths", {{"in", first.lengths_in.to_json()}, {"kept", last.lengths_kept.to_json()}}},
              {"steps", steps},
              {"dedups", dedups},
              {"kept_samples", last.to_json()["kept_samples"]}};
  if (passed_over > 0) all["passed_over"] = {{"files", passed_over}, {"example", passed_over_example}};
  return all;
}

std::string report_page(const Json& report) {
  std::string page(kReportTemplate);
  std::string json = to_text(report);
  for (size_t at = 0; (at = json.find("</", at)) != std::string::npos; at += 3) json.replace(at, 2, "<\\/");
  for (size_t at = 0; (at = json.find("<!--", at)) != std::string::npos; at += 4) json.replace(at, 4, "<\\u0021--");
  const size_t place = page.find(kPlace);
  return page.replace(place, kPlace.size(), json);
}

}  // namespace kedge::curate
