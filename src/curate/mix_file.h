#pragma once
// The output of a mix, which goes on where a killed run of the same mix stopped.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "curate/mix.h"
#include "data/document_file.h"
#include "kedge/result.h"

namespace kedge::curate {

/// Beside the output lies a folder, PATH.tmp-mix, until all is written: what makes the mix, a marker for each file of
/// several that is full, and what the mix keeps there itself. One thread at a time.
class MixFile {
 public:
  /// `identity`: all that the output depends on; what another mix left is removed. Fails with unavailable (another
  /// process is at it, the disk is full).
  static Result<std::unique_ptr<MixFile>> open(const MixOutput& output, const Json& identity);
  MixFile(const MixFile&) = delete;
  MixFile& operator=(const MixFile&) = delete;
  ~MixFile();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// Documents in files that are done, from the first on.
  [[nodiscard]] uint64_t done() const { return done_; }
  /// What `memory` gave at the last of these files; null: there is none.
  [[nodiscard]] const Json& remembered() const { return remembered_; }

  /// The next document, as a line with its newline; nothing is written where it is done. `memory` is asked where a file
  /// becomes full.
  Status write(std::string_view line, const std::function<Json()>& memory);
  /// The next ones are done. REQUIRES: documents written and left out <= done().
  void leave_out(uint64_t documents) { position_ += documents; }
  [[nodiscard]] uint64_t position() const { return position_; }
  /// Documents in files that are full: those of this run too.
  [[nodiscard]] uint64_t in_whole_files() const { return whole_; }
  Status commit();
  /// Nobody will go on with this: the folder goes too.
  void abandon() { keep_ = false; }

 private:
  MixFile(MixOutput output, std::filesystem::path folder) : output_(std::move(output)), folder_(std::move(folder)) {}
  Status begin(const Json& identity);
  void find_done();
  void remove_torn() const;
  [[nodiscard]] std::filesystem::path marker(size_t file) const;

  MixOutput output_;
  std::filesystem::path folder_;
  int lock_ = -1;
  bool keep_ = true;
  size_t files_ = 0;  // that are done
  uint64_t done_ = 0, position_ = 0, whole_ = 0;
  Json remembered_;
  std::unique_ptr<data::DocumentFile> file_;
};

/// Inputs as a mix's identity has them: path, size and time of the last change. Standard input is another one each
/// time.
Json inputs_json(const std::vector<data::Input>& inputs);

Json fields_json(const data::Fields& fields);

/// Whether a mix that failed like this may be gone on with.
bool may_go_on(const Error& error);

}  // namespace kedge::curate
