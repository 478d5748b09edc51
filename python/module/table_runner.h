#pragma once
// A pipeline, or one operator, over an Arrow table.

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "curate/pipeline/pipeline.h"
#include "curate/pipeline/run.h"
#include "kedge/result.h"
#include "python/module/arrow_abi.h"
#include "python/module/pipeline_text.h"
#include "python/module/table_output.h"

namespace kedge::python {

/// What is made of a table.
struct TableResult {
  std::shared_ptr<const Table> decisions;  // a row for each row: keep (null: rejected), step, reason, changed, details
  std::shared_ptr<const Table> kept;       // a row for each kept row: what is to be set in it, texts and members
  std::string text_column;                 // of `kept`; empty: no text was changed
  std::string dropped_column;              // to be taken out; empty: none
};

struct TableOptions {
  unsigned threads = 0;  // 0: one a physical core
  bool details = false;
  std::filesystem::path spill;
  std::function<void()> on_batch;
};

/// Immutable; safe from any thread. Models are loaded when it is made.
class TableRunner {
 public:
  TableRunner(const TableRunner&) = delete;
  TableRunner& operator=(const TableRunner&) = delete;

  /// options, fields: JSON objects, as they stand in a pipeline file. Fails as make_stages does.
  static Result<std::unique_ptr<TableRunner>> make_operator(const std::string& name, std::string_view options,
                                                            std::string_view fields);
  static Result<std::unique_ptr<TableRunner>> make_pipeline(const PipelineText& source);

  [[nodiscard]] Result<TableResult> run(ArrowArrayStream& stream, const TableOptions& options,
                                        const std::stop_token& stop) const;

 private:
  TableRunner() = default;
  static Result<std::unique_ptr<TableRunner>> make(curate::Pipeline pipeline);

  curate::Pipeline pipeline_;
  curate::Stages stages_;
};

}  // namespace kedge::python
