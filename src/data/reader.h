#pragma once
// The records of several files, one after the other, in batches.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "data/source.h"

namespace kedge::data {

/// One thread at a time.
class Reader {
 public:
  /// Fails with not_found when a file is not there: before anything is read.
  static Result<std::unique_ptr<Reader>> open(std::vector<Input> inputs, Fields fields);

  /// Replaces `batch` by the next records. False when all files are through. A file that cannot be read (on) gives one
  /// broken record.
  Result<bool> read(Batch& batch);

  /// Replaces `document` by what stands in a record, by its kind. Safe from any thread, while `read` runs too; a
  /// response of a web archive is refused here: pages are the extractor's.
  [[nodiscard]] Status parse(const Record& record, Document& document) const;

  /// Names a record: "shard.jsonl.gz: line 12".
  [[nodiscard]] std::string name(const Record& record) const;

  [[nodiscard]] uint64_t consumed() const { return consumed_ + (source_ ? source_->consumed() : 0); }
  [[nodiscard]] uint64_t size() const { return size_; }

 private:
  [[nodiscard]] Status parse_any(const Record& record, Document& document) const;
  Reader(std::vector<Input> inputs, Fields fields)
      : inputs_(std::move(inputs)), units_(inputs_.size(), "file"), fields_(std::move(fields)) {}

  std::vector<Input> inputs_;
  std::vector<const char*> units_;
  Fields fields_;
  std::unique_ptr<Source> source_;
  size_t next_ = 0;
  uint64_t consumed_ = 0;
  uint64_t size_ = 0;
};

}  // namespace kedge::data
