#pragma once
// The border between kedge and the library that reads and writes Parquet. It is loaded when the first such file is
// opened, in a name space of its own: Apache Arrow carries another simdjson under the same names, and 60 MB that most
// runs never need.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::data {

/// One row, its bytes as they lie in the file.
struct ParquetRow {
  std::string id, text, url;
  bool id_is_number = false;
  std::string problem;  // why the row is no document; empty: it is one
  std::string line;     // all columns as a JSON object, where asked for
};

/// What is read of a file.
struct ParquetQuery {
  const char *id, *text, *url;
  bool lines;  // all columns, as `ParquetRow::line`
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

/// What a member of JSON lines becomes.
enum class ColumnKind : uint8_t { null, boolean, whole, number, text, json, list, object };
struct ColumnType {
  ColumnKind kind = ColumnKind::null;
  std::vector<std::string> names;    // object: of its members
  std::vector<ColumnType> children;  // list: one; object: one a name
};

/// What a file to be written consists of.
struct ParquetPlan {
  std::vector<std::string> names;  // members of the lines, each a column
  std::vector<ColumnType> types;
  std::string source;      // a Parquet file whose other columns are taken over, row by row; empty: none
  std::string row_member;  // of the lines: the number of the source's row, from 1 and rising
  std::string left_out;    // a column of the source that is not taken over
};

/// Where a file's bytes go, in order.
class ParquetSink {
 public:
  ParquetSink() = default;
  ParquetSink(const ParquetSink&) = delete;
  ParquetSink& operator=(const ParquetSink&) = delete;
  virtual ~ParquetSink() = default;
  virtual bool put(const char* bytes, size_t count) = 0;
};

/// One thread at a time.
class ParquetWriter {
 public:
  ParquetWriter() = default;
  ParquetWriter(const ParquetWriter&) = delete;
  ParquetWriter& operator=(const ParquetWriter&) = delete;
  virtual ~ParquetWriter() = default;
  /// `lines`: JSON objects of the plan's types. False: `error` says why not.
  virtual bool add(std::string_view lines, std::string& error) = 0;
  virtual bool close(std::string& error) = 0;
};

/// What the library exports under these names. Null: `error` says why.
using OpenParquet = ParquetFile* (*)(const char* path, const ParquetQuery* query, std::string* error);
inline constexpr char kOpenParquetName[] = "kedge_open_parquet";
using CreateParquet = ParquetWriter* (*)(const ParquetPlan* plan, ParquetSink* sink, std::string* error);
inline constexpr char kCreateParquetName[] = "kedge_create_parquet";

}  // namespace kedge::data
