#pragma once
// The border between kedge and the library that reads Parquet. It is loaded when the first such file is opened, in a
// name space of its own: Apache Arrow carries another simdjson under the same names, and 60 MB that most runs never
// need.

#include <cstdint>
#include <string>
#include <vector>

namespace kedge::data {

/// One row, its bytes as they lie in the file.
struct ParquetRow {
  std::string id, text, url;
  bool id_is_number = false;
  std::string problem;  // why the row is no document; empty: it is one
};

/// A file's rows in order. One thread at a time.
class ParquetFile {
 public:
  ParquetFile() = default;
  ParquetFile(const ParquetFile&) = delete;
  ParquetFile& operator=(const ParquetFile&) = delete;
  virtual ~ParquetFile() = default;

  /// Replaces `rows` by the next ones; none at the end. False: `error` says why the rest cannot be read.
  virtual bool read(std::vector<ParquetRow>& rows, std::string& error) = 0;
  [[nodiscard]] virtual int64_t row_count() const = 0;
};

/// What the library exports under kOpenParquetName. Null: `error` says why.
using OpenParquet = ParquetFile* (*)(const char* path, const char* id, const char* text, const char* url,
                                     std::string* error);
inline constexpr char kOpenParquetName[] = "kedge_open_parquet";

}  // namespace kedge::data
