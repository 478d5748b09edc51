#include "python/module/table_runner.h"

#include <simdjson.h>

#include "core/json.h"
#include "core/thread_pool.h"
#include "curate/pipeline/rows.h"
#include "curate/pipeline/step.h"
#include "python/module/table_input.h"

namespace kedge::python {
namespace {

using curate::MemberInfo;
using curate::RowOutcome;

OutputColumn::Type type_of(MemberInfo::Kind kind) {
  switch (kind) {
    case MemberInfo::Kind::whole:
      return OutputColumn::Type::whole;
    case MemberInfo::Kind::number:
      return OutputColumn::Type::number;
    default:
      return OutputColumn::Type::text;
  }
}

/// A member's value in its column; what is of another kind is null.
void add_json(OutputColumn& column, MemberInfo::Kind kind, const std::string& json) {
  if (kind == MemberInfo::Kind::json) return column.add(std::string_view(json));
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element value;
  if (parser.parse(json).get(value) != simdjson::SUCCESS) return column.add_null();
  std::string_view text;
  int64_t whole = 0;
  double number = 0;
  if (kind == MemberInfo::Kind::text && value.get(text) == simdjson::SUCCESS) return column.add(text);
  if (kind == MemberInfo::Kind::whole && value.get(whole) == simdjson::SUCCESS) return column.add(whole);
  if (kind == MemberInfo::Kind::number && value.get(number) == simdjson::SUCCESS) return column.add(number);
  column.add_null();
}

std::shared_ptr<const Table> decisions_of(const std::vector<RowOutcome>& outcomes,
                                          const std::vector<std::string>& labels, bool with_details) {
  using Type = OutputColumn::Type;
  OutputColumn keep("keep", Type::boolean), step("step", Type::text), reason("reason", Type::text),
      changed("changed", Type::boolean), details("details", Type::text);
  for (const RowOutcome& outcome : outcomes) {
    const bool kept = outcome.state == RowOutcome::State::kept;
    const bool rejected = outcome.state == RowOutcome::State::rejected;
    rejected ? keep.add_null() : keep.add(kept);
    kept || rejected ? step.add_null() : step.add(std::string_view(labels[outcome.step]));
    kept ? reason.add_null() : reason.add(std::string_view(outcome.reason));
    changed.add(kept && outcome.changed);
    outcome.details.empty() ? details.add_null() : details.add(std::string_view(outcome.details));
  }
  std::vector<OutputColumn> columns;
  for (OutputColumn* column : {&keep, &step, &reason, &changed}) columns.push_back(std::move(*column));
  if (with_details) columns.push_back(std::move(details));
  return std::make_shared<const Table>(std::move(columns));
}

/// All members of all steps, in the order in which they are set; of equal names the last one counts.
std::vector<MemberInfo> members_of(const curate::Stages& stages) {
  std::vector<MemberInfo> members;
  for (const auto& stage : stages.stages) {
    for (const auto& step : stage.steps) {
      for (MemberInfo& member : step->members()) {
        std::erase_if(members, [&](const MemberInfo& other) { return other.name == member.name; });
        members.push_back(std::move(member));
      }
    }
  }
  return members;
}

OutputColumn texts_of(const std::vector<RowOutcome>& outcomes, const TableInput& input, const std::string& name) {
  OutputColumn texts(name, input.is_large() ? OutputColumn::Type::large_text : OutputColumn::Type::text);
  for (size_t row = 0; row < outcomes.size(); ++row) {
    const RowOutcome& outcome = outcomes[row];
    if (outcome.state != RowOutcome::State::kept) continue;
    if (outcome.changed) {
      texts.add(std::string_view(outcome.text));
      continue;
    }
    const auto document = input.read(row);  // it was read before
    texts.add(document.ok() ? std::string_view(document.value().text) : std::string_view());
  }
  return texts;
}

OutputColumn values_of(const std::vector<RowOutcome>& outcomes, const MemberInfo& member) {
  OutputColumn values(member.name, type_of(member.kind));
  for (const RowOutcome& outcome : outcomes) {
    if (outcome.state != RowOutcome::State::kept) continue;
    const std::string* json = nullptr;
    for (const auto& [name, value] : outcome.members) {
      if (name == member.name) json = &value;
    }
    json == nullptr ? values.add_null() : add_json(values, member.kind, *json);
  }
  return values;
}

}  // namespace

Result<std::unique_ptr<TableRunner>> TableRunner::make(curate::Pipeline pipeline) {
  std::unique_ptr<TableRunner> runner(new TableRunner);
  runner->pipeline_ = std::move(pipeline);
  KEDGE_ASSIGN(runner->stages_, curate::make_stages(runner->pipeline_));
  return runner;
}

Result<std::unique_ptr<TableRunner>> TableRunner::make_operator(const std::string& name, std::string_view options,
                                                                std::string_view fields) {
  KEDGE_ASSIGN(const Json settings, parse_json(options, name));
  KEDGE_ASSIGN(const Json names, parse_json(fields, "fields"));
  const Json json = {{"fields", names}, {"steps", Json::array({Json::object({{name, settings}})})}};
  KEDGE_ASSIGN(curate::Pipeline pipeline, curate::parse_pipeline(to_text(json), name));
  for (curate::StepConfig& step : pipeline.steps) step.where = name;
  return make(std::move(pipeline));
}

Result<std::unique_ptr<TableRunner>> TableRunner::make_pipeline(const PipelineText& source) {
  KEDGE_ASSIGN(curate::Pipeline pipeline, read_pipeline(source));
  return make(std::move(pipeline));
}

Result<TableResult> TableRunner::run(ArrowArrayStream& stream, const TableOptions& options,
                                     const std::stop_token& stop) const {
  const data::Fields fields = curate::input_fields(pipeline_, stages_);
  KEDGE_ASSIGN(const auto input, TableInput::read(stream, fields));
  WorkerPool pool(options.threads);
  KEDGE_ASSIGN(const auto outcomes,
               curate::run_rows(stages_, *input, {options.spill, options.details, options.on_batch}, pool, stop));
  TableResult result;
  result.decisions = decisions_of(outcomes, stages_.labels, options.details);
  std::vector<OutputColumn> columns;
  const bool extracts = stages_.stages.front().extracts;
  bool changed = extracts;
  for (const RowOutcome& outcome : outcomes) changed = changed || outcome.changed;
  if (changed) {
    result.text_column = pipeline_.fields.text;
    columns.push_back(texts_of(outcomes, *input, result.text_column));
  }
  if (extracts && fields.text != pipeline_.fields.text) result.dropped_column = fields.text;
  for (const MemberInfo& member : members_of(stages_)) columns.push_back(values_of(outcomes, member));
  result.kept = std::make_shared<const Table>(std::move(columns));
  return result;
}

}  // namespace kedge::python
