// Files that are one document each: Markdown, plain text, PDF, HTML.
#include <fmt/format.h>

#include <mutex>

#include "data/json_text.h"
#include "data/pdf_plugin/pdf_plugin.h"
#include "data/plugin.h"
#include "data/source.h"
#include "text/unicode/utf8.h"

namespace kedge::data {
namespace {

constexpr size_t kReadBytes = size_t{1} << 18;

class WholeFile final : public Source {
 public:
  WholeFile(std::unique_ptr<ByteStream> stream, std::string head, const Input& input)
      : stream_(std::move(stream)),
        head_(std::move(head)),
        id_(input.id.empty() ? input.path.filename().string() : input.id),
        html_(is_html_name(input.path) || is_html(head_)) {}

  Result<bool> read(Batch& batch, size_t /*bytes*/) override {
    auto bytes = std::make_unique<std::string>(std::move(head_));
    for (;;) {
      const size_t size = bytes->size();
      if (size > kRecordBytesMax) {
        return Error{ErrorKind::invalid_input, fmt::format("larger than {} bytes", kRecordBytesMax)};
      }
      bytes->resize(size + kReadBytes);
      KEDGE_ASSIGN(const size_t count, stream_->read(std::span<char>(*bytes).subspan(size)));
      bytes->resize(size + count);
      if (count == 0) break;
    }
    Record record;
    std::string id;
    text::append_lossy(id, id_);
    append_json_string(record.document.id_json, id);
    if (bytes->starts_with("%PDF-")) {
      record.kind = RecordKind::pdf_file;
      record.bytes = *bytes;
    } else if (html_) {
      record.kind = RecordKind::html_file;
      record.bytes = *bytes;
    } else {
      take_text(record, *bytes);
    }
    batch.storage.push_back(std::move(bytes));
    batch.records.push_back(std::move(record));
    return false;
  }

  [[nodiscard]] const char* unit() const override { return "file"; }
  [[nodiscard]] size_t consumed() const override { return stream_->consumed(); }
  [[nodiscard]] bool is_one_document() const override { return true; }

 private:
  static void take_text(Record& record, std::string& bytes) {
    if (bytes.starts_with("\xEF\xBB\xBF")) bytes.erase(0, 3);
    record.kind = RecordKind::document;
    if (!text::is_valid_utf8(bytes)) {
      record.kind = RecordKind::broken;
      record.readable = true;
      record.reason = "not UTF-8";
      return;
    }
    record.document.text = bytes;
  }

  std::unique_ptr<ByteStream> stream_;
  std::string head_;
  std::string id_;
  bool html_;
};

struct PdfLibrary {
  ReadPdf read = nullptr;
};

Result<PdfLibrary> load_pdf() {
  static std::mutex mutex;
  static PdfLibrary loaded;
  const std::scoped_lock lock(mutex);
  if (loaded.read != nullptr) return loaded;
  KEDGE_ASSIGN(void* const library,
               load_beside_program("libkedge_pdf.so", "PDF", "`./kd up` builds it where libpoppler-cpp-dev is there"));
  KEDGE_ASSIGN(void* const function, function_of(library, kReadPdfName));
  loaded.read = reinterpret_cast<ReadPdf>(function);
  return loaded;
}

}  // namespace

std::unique_ptr<Source> open_whole_file(std::unique_ptr<ByteStream> stream, std::string head, const Input& input) {
  return std::make_unique<WholeFile>(std::move(stream), std::move(head), input);
}

Result<Document> parse_pdf_file(const Record& record) {
  KEDGE_ASSIGN(const PdfLibrary library, load_pdf());
  Document document = record.document;
  std::string found, error;
  if (!library.read(record.bytes.data(), record.bytes.size(), &found, &error)) {
    return Error{ErrorKind::corrupt_data, "PDF: " + error};
  }
  text::append_lossy(document.text, found);
  return document;
}

}  // namespace kedge::data
