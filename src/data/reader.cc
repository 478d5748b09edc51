#include "data/reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace kedge::data {
namespace {

constexpr size_t kBatchBytes = size_t{1} << 18;  // about: much of a batch stays in the caches of who works on it

void add_broken(Batch& batch, std::string reason) {
  Record record;
  record.kind = RecordKind::broken;
  record.reason = std::move(reason);
  batch.records.push_back(std::move(record));
}

Status assign(Document& document, Result<Document> parsed) {
  KEDGE_ASSIGN(document, std::move(parsed));
  return Done{};
}

size_t bytes_of(const Batch& batch) {
  size_t bytes = 0;
  for (const auto& part : batch.storage) bytes += part->size();
  return bytes;
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(std::vector<Input> inputs, Fields fields) {
  std::unique_ptr<Reader> reader(new Reader(std::move(inputs), std::move(fields)));
  for (const Input& input : reader->inputs_) {
    KEDGE_TRY(ByteStream::open(input.path));
    std::error_code code;
    const auto size = std::filesystem::file_size(input.path, code);
    if (!code) reader->size_ += std::min<uint64_t>(size, input.end) - std::min<uint64_t>(size, input.begin);
  }
  return reader;
}

Result<bool> Reader::read(Batch& batch) {
  batch.clear();
  bool small_files = false;
  while (batch.records.empty() || (small_files && source_ == nullptr && bytes_of(batch) < kBatchBytes)) {
    const size_t known = batch.records.size();
    if (source_ == nullptr) {
      if (next_ == inputs_.size()) return !batch.records.empty();
      Result<std::unique_ptr<Source>> opened = Source::open(inputs_[next_], fields_);
      ++next_;
      if (opened.ok()) {
        source_ = std::move(opened).value();
        units_[next_ - 1] = source_->unit();
        small_files = source_->is_one_document();
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
    for (size_t i = known; i < batch.records.size(); ++i) batch.records[i].file = static_cast<uint32_t>(next_ - 1);
  }
  return true;
}

Status Reader::parse(const Record& record, Document& document) const {
  document.clear();
  KEDGE_TRY(parse_any(record, document));
  document.number = record.number;
  return Done{};
}

Status Reader::parse_any(const Record& record, Document& document) const {
  switch (record.kind) {
    case RecordKind::json_line:
      return parse_json_line(record.bytes, fields_, document);
    case RecordKind::document:
      document = record.document;
      document.line = record.bytes;
      return Done{};
    case RecordKind::http_response:
      return Error{ErrorKind::invalid_input, "a page of a web archive has no text before `kedge curate extract`"};
    case RecordKind::html_file:
      return Error{ErrorKind::invalid_input,
                   "a page has no text before `kedge curate extract` (in pipelines `extract`)"};
    case RecordKind::wiki_page:
      return assign(document, parse_wiki_page(record));
    case RecordKind::tex_source:
      return assign(document, parse_tex_source(record));
    case RecordKind::pdf_file:
      return assign(document, parse_pdf_file(record));
    case RecordKind::broken:
      break;
  }
  return Error{record.readable ? ErrorKind::invalid_input : ErrorKind::corrupt_data, record.reason};
}

std::string Reader::name(const Record& record) const {
  const Input& input = inputs_[record.file];
  const std::string file = input.id == kStandardInput ? "standard input" : input.path.string();
  if (record.number == 0) return file;
  const std::string part = input.begin == 0 ? std::string() : fmt::format(" after byte {}", input.begin);
  return fmt::format("{}: {} {}{}", file, units_[record.file], record.number, part);
}

}  // namespace kedge::data
