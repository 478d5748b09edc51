#include "data/reader.h"

#include <fmt/format.h>

namespace kedge::data {
namespace {

constexpr size_t kBatchBytes = size_t{8} << 20;

void add_broken(Batch& batch, std::string reason) {
  Record record;
  record.kind = RecordKind::broken;
  record.reason = std::move(reason);
  batch.records.push_back(std::move(record));
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(std::vector<std::filesystem::path> inputs, Fields fields) {
  std::unique_ptr<Reader> reader(new Reader(std::move(inputs), std::move(fields)));
  for (const std::filesystem::path& input : reader->inputs_) {
    KEDGE_TRY(ByteStream::open(input));
    std::error_code code;
    const auto size = std::filesystem::file_size(input, code);
    if (!code) reader->size_ += size;
  }
  return reader;
}

Result<bool> Reader::read(Batch& batch) {
  batch.clear();
  while (batch.records.empty()) {
    if (source_ == nullptr) {
      if (next_ == inputs_.size()) return false;
      Result<std::unique_ptr<Source>> opened = Source::open(inputs_[next_], fields_);
      ++next_;
      if (opened.ok()) {
        source_ = std::move(opened).value();
        units_[next_ - 1] = source_->unit();
      } else {
        add_broken(batch, opened.error().message);
      }
    }
    if (source_ != nullptr) {
      const Result<bool> more = source_->read(batch, kBatchBytes);
      if (!more.ok()) add_broken(batch, more.error().message);
      if (!more.ok() || !more.value()) {
        consumed_ += source_->consumed();
        source_.reset();
      }
    }
    for (Record& record : batch.records) record.file = static_cast<uint32_t>(next_ - 1);
  }
  return true;
}

Result<Document> Reader::parse(const Record& record) const {
  Result<Document> document = parse_any(record);
  if (document.ok()) document.value().number = record.number;
  return document;
}

Result<Document> Reader::parse_any(const Record& record) const {
  switch (record.kind) {
    case RecordKind::json_line:
      return parse_json_line(record.bytes, fields_);
    case RecordKind::document: {
      Document document = record.document;
      document.line = record.bytes;
      return document;
    }
    case RecordKind::http_response:
      return Error{ErrorKind::invalid_input, "a page of a web archive has no text before `kedge curate extract`"};
    case RecordKind::broken:
      break;
  }
  return Error{record.readable ? ErrorKind::invalid_input : ErrorKind::corrupt_data, record.reason};
}

std::string Reader::name(const Record& record) const {
  const std::string file = inputs_[record.file].string();
  return record.number == 0 ? file : fmt::format("{}: {} {}", file, units_[record.file], record.number);
}

}  // namespace kedge::data
