#pragma once
// A pipeline over documents that lie in memory.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "curate/pipeline/run.h"
#include "data/record.h"
#include "kedge/result.h"

namespace kedge::curate {

/// Documents by row, from 0. Immutable: read by several threads at once.
class Rows {
 public:
  Rows() = default;
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  virtual ~Rows() = default;

  [[nodiscard]] virtual size_t count() const = 0;
  /// Fails where the row holds no document.
  [[nodiscard]] virtual Result<data::Document> read(size_t row) const = 0;
  /// The embedding in a column; empty: there is none. Fails with invalid_input: no such column, or one of another type.
  [[nodiscard]] virtual Result<std::vector<float>> vector(size_t /*row*/, const std::string& column) const {
    return Error{ErrorKind::invalid_input, "the table has no column '" + column + "' of embeddings"};
  }
};

/// What became of one row.
struct RowOutcome {
  enum class State : uint8_t { kept, dropped, rejected };
  State state = State::kept;
  bool changed = false;  // `text` is in place of the row's own
  size_t step = 0;       // that dropped it: index in Stages::labels
  std::string reason;    // why it was dropped or rejected
  std::string details;   // of the last step that said any: JSON
  std::string text;
  std::vector<std::pair<std::string, std::string>> members;  // name and JSON
};

struct RowsOptions {
  std::filesystem::path spill;     // a folder for what deduplication cannot hold; it is left empty
  bool details = false;            // keep them
  std::function<void()> on_batch;  // on the caller's thread, now and then
};

/// The decisions, texts and members of run_pipeline over one input with these documents, in order. Held in memory: the
/// changed texts and the keys or embeddings of a deduplication. An index of earlier runs knows a table by its keys and
/// ids: the same table again is the same run. Fails with cancelled, invalid_input (no embeddings), or as spilling does.
Result<std::vector<RowOutcome>> run_rows(const Stages& stages, const Rows& rows, const RowsOptions& options,
                                         WorkerPool& pool, const std::stop_token& stop);

}  // namespace kedge::curate
