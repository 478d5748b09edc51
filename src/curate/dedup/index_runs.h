#pragma once
// The folder of an index: what earlier runs left in it, one sub-folder a run.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "curate/visit.h"
#include "kedge/result.h"

namespace kedge::curate {

struct LinkPlace {
  std::filesystem::path spill;  // a folder for records that memory does not hold
  std::string identity;         // of the run: the same one again is compared with what was there before it
};

/// What makes a run this one: the same command again is the same run.
std::string identity_of(const Job& job);

/// What an index holds: made with which parameters, in which files of each shard.
struct IndexKind {
  std::string parameters;
  std::vector<std::filesystem::path> (*files_of)(const std::filesystem::path& shard);
};

/// One process at a time, as long as it lives. RUN/index.json has the checksums, the files lie beside it.
class IndexRuns {
 public:
  /// Finds the runs of the index that lie before this one; the folder is made where it is not there. Fails with
  /// corrupt_data (damaged files), invalid_input (an index of another kind) or unavailable.
  static Result<IndexRuns> open(const std::filesystem::path& folder, IndexKind kind, std::string identity);
  IndexRuns(IndexRuns&& other) noexcept;
  IndexRuns& operator=(IndexRuns&&) = delete;
  ~IndexRuns();

  /// It was added before: the same run again.
  [[nodiscard]] bool is_known() const { return known_; }
  /// Where this run's shard may be written, to be added; what a run that was killed left there is gone. REQUIRES: the
  /// run is not known.
  [[nodiscard]] std::filesystem::path shard_path(size_t shard) const;
  /// Shards of earlier runs.
  [[nodiscard]] const std::vector<std::filesystem::path>& earlier() const { return earlier_; }
  /// Copies the files of this run's shards, unless they lie where they belong or the run was added before.
  [[nodiscard]] Status add(const std::vector<std::filesystem::path>& outputs) const;

 private:
  class Lock;
  IndexRuns(std::filesystem::path folder, IndexKind kind, std::string identity, std::unique_ptr<Lock> lock);
  [[nodiscard]] std::filesystem::path run_folder() const;
  [[nodiscard]] std::filesystem::path manifest_path() const { return run_folder() / "index.json"; }
  /// Whether it is this run's own.
  Result<bool> take(const Json& json);

  std::filesystem::path folder_;
  IndexKind kind_;
  std::string identity_;
  std::unique_ptr<Lock> lock_;
  size_t run_ = 0;  // this one's number
  bool known_ = false;
  std::vector<std::filesystem::path> earlier_;
};

}  // namespace kedge::curate
