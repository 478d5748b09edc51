#pragma once
// What a source hands out and what becomes of it: a record as it lies in the file, and the document it holds.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"

namespace kedge::data {

/// Column names. A document's text is read from `text`; pages are read from `html`.
struct Fields {
  std::string id = "id";
  std::string text = "text";
  std::string url = "url";
  bool others = false;  // Parquet: all columns are read, as Document::line
};

/// One document. The text is valid UTF-8.
struct Document {
  std::string id_json;  // the id as JSON writes it: a string or a number
  std::string text;
  std::string url;
  std::string title;      // of an encyclopedia's page, else empty
  std::string_view line;  // the JSON line that it was read from (a row as one), else empty; lives as long as its batch
  uint64_t number = 0;    // its record's

  /// Empty, but its memory stays.
  void clear() {
    for (std::string* member : {&id_json, &text, &url, &title}) member->clear();
    line = {};
    number = 0;
  }
};

/// Why a record is no document.
struct Reject {
  std::string where;  // "shard.jsonl.gz: line 12"
  std::string reason;
  bool unreadable = false;  // it breaks its format; false: it is well-formed but holds no text
};

/// How a record lies in its file.
enum class RecordKind : uint8_t {
  json_line,
  document,
  http_response,
  html_file,
  wiki_page,
  tex_source,
  pdf_file,
  broken
};

struct WikiSite;

/// A record before it is parsed, so that parsing can be spread over threads.
struct Record {
  RecordKind kind = RecordKind::json_line;
  std::string_view bytes;  // within `Batch::storage`, with room to read beyond
  Document document;       // document: whole but its line (`bytes`); otherwise what is known of it: id, URL
  std::shared_ptr<const WikiSite> site;  // wiki_page
  uint64_t number = 0;                   // line, row or record, from 1
  uint32_t file = 0;                     // index of the input
  std::string reason;                    // broken: why
  bool readable = false;                 // broken: the row itself could be read, but it holds no document
};

/// Records in input order, and the bytes they point into.
struct Batch {
  std::vector<Record> records;
  std::vector<std::unique_ptr<std::string>> storage;

  void clear() {
    records.clear();
    for (auto& bytes : storage) {
      if (spare_ == nullptr && bytes->size() <= kSpareBytesMax) spare_ = std::move(bytes);
    }
    storage.clear();
  }
  /// Memory for the next bytes, of any size and content: what was cleared, so that it is not asked for again.
  std::unique_ptr<std::string> buffer() {
    return spare_ != nullptr ? std::move(spare_) : std::make_unique<std::string>();
  }

 private:
  static constexpr size_t kSpareBytesMax = size_t{16} << 20;
  std::unique_ptr<std::string> spare_;
};

}  // namespace kedge::data
