#pragma once
// A file of records, whatever its format.

#include <cstddef>
#include <filesystem>
#include <memory>

#include "data/byte_stream.h"
#include "data/input.h"
#include "data/record.h"

namespace kedge::data {

inline constexpr size_t kRecordBytesMax = size_t{256} << 20;  // a longer line or page is rejected
inline constexpr size_t kReadAheadBytes = 128;                // what a JSON parser may read beyond a record

/// Hands out the records of one file. One thread at a time.
class Source {
 public:
  /// Chooses by content: Parquet, WARC, a dump of an encyclopedia (XML), a tar of sources, PDF, HTML, or lines of JSON;
  /// what is none of these and has a name as Markdown, plain text and pages have is one document. Fails with not_found.
  static Result<std::unique_ptr<Source>> open(const Input& input, const Fields& fields);

  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  /// Appends records of about `bytes` bytes to `batch` (at least one). False at the end. Fails when the rest of the
  /// file cannot be read; what came before stands.
  virtual Result<bool> read(Batch& batch, size_t bytes) = 0;

  /// What `Record::number` counts: "line", "row", "record".
  [[nodiscard]] virtual const char* unit() const = 0;
  [[nodiscard]] virtual size_t consumed() const = 0;
  /// Small files are read several to a batch.
  [[nodiscard]] virtual bool is_one_document() const { return false; }
};

std::unique_ptr<Source> open_jsonl(std::unique_ptr<ByteStream> stream, std::string head);
std::unique_ptr<Source> open_warc(std::unique_ptr<ByteStream> stream, std::string head);
std::unique_ptr<Source> open_wiki_dump(std::unique_ptr<ByteStream> stream, std::string head);
std::unique_ptr<Source> open_tar(std::unique_ptr<ByteStream> stream, std::string head);
std::unique_ptr<Source> open_whole_file(std::unique_ptr<ByteStream> stream, std::string head, const Input& input);
bool is_tar(std::string_view head);
/// Behind white space it begins with a doctype of HTML or the html element.
bool is_html(std::string_view head);
bool is_wiki_dump(std::string_view head);
Result<std::unique_ptr<Source>> open_parquet(const std::filesystem::path& path, const Fields& fields);

/// Puts what stands in one line of JSON into an empty document. Safe from any thread.
/// REQUIRES: kReadAheadBytes readable bytes after the line.
Status parse_json_line(std::string_view line, const Fields& fields, Document& document);

/// The text of other records. Safe from any thread. Fails with invalid_input (it holds no document: a redirect, another
/// namespace, no source in TeX) or corrupt_data.
Result<Document> parse_wiki_page(const Record& record);
Result<Document> parse_tex_source(const Record& record);
Result<Document> parse_pdf_file(const Record& record);

}  // namespace kedge::data
