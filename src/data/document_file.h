#pragma once
// Where documents go: a file of lines or Parquet, or several of a bounded size.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/record.h"
#include "kedge/result.h"

namespace kedge::data {

/// A file as it was written: XXH3 (64 bits) of its bytes.
struct WrittenFile {
  std::string name;
  uint64_t bytes = 0, checksum = 0;
};

/// What stands beside the lines in a Parquet file.
struct ParquetOutput {
  std::filesystem::path source;  // a Parquet file whose other columns are taken over; empty: none
  Fields fields;                 // the id and the URL are taken from there too
  std::string left_out;          // a column that is not taken over
  bool ids_change = false;       // the id is that of the lines
};

/// Takes documents as lines of JSON, each with its newline. A file appears whole or not at all. One thread at a time.
class DocumentFile {
 public:
  /// `.parquet`: Parquet (zstd), its columns the members of the lines; otherwise lines, compressed as the name says.
  /// With `bytes` a new file is begun when the lines in one reach that many: NAME-00000.ENDING, NAME-00001.ENDING, ...;
  /// each appears when it is full, which `written` says at once; those before `first` are there already.
  static Result<std::unique_ptr<DocumentFile>> create(const std::filesystem::path& path, const ParquetOutput& parquet,
                                                      uint64_t bytes = 0, size_t first = 0);

  DocumentFile() = default;
  DocumentFile(const DocumentFile&) = delete;
  DocumentFile& operator=(const DocumentFile&) = delete;
  virtual ~DocumentFile() = default;

  virtual Status write(std::string_view line) = 0;
  virtual Status commit() = 0;
  /// After commit; of several files those that are full.
  [[nodiscard]] virtual std::vector<WrittenFile> written() const = 0;
};

/// The member of lines that holds the number of their row in ParquetOutput::source, from 1 and rising; no column.
inline constexpr std::string_view kRowMember = "__kedge_row";

/// Whether the file is Parquet by its first bytes.
bool is_parquet(const std::filesystem::path& path);

}  // namespace kedge::data
