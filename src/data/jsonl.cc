// Lines of JSON: cut here, parsed on the workers.
#include <fmt/format.h>
#include <simdjson.h>

#include <cstring>

#include "data/source.h"

namespace kedge::data {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

class JsonlSource final : public Source {
 public:
  JsonlSource(std::unique_ptr<ByteStream> stream, std::string head)
      : stream_(std::move(stream)), rest_(std::move(head)) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.erase(0, 3);
  }

  Result<bool> read(Batch& batch, size_t bytes) override {
    if (ended_) return false;
    auto block = std::make_unique<std::string>(std::move(rest_));
    rest_.clear();
    size_t scanned = 0;
    size_t last = std::string::npos;  // of the newline that ends the last whole line
    while (!ended_ && (block->size() < bytes || last == std::string::npos)) {
      KEDGE_TRY(grow(*block));
      const size_t found = block->rfind('\n');
      if (found != std::string::npos && found >= scanned) last = found;
      scanned = block->size();
      if (last == std::string::npos && block->size() > kRecordBytesMax) {
        KEDGE_TRY(skip_line(batch, *block));
        scanned = 0;
      }
    }
    last = block->rfind('\n');
    if (!ended_ && last != std::string::npos) {
      rest_.assign(*block, last + 1);
      block->resize(last + 1);
    }
    cut(batch, std::move(block));
    return true;
  }

  [[nodiscard]] const char* unit() const override { return "line"; }
  [[nodiscard]] size_t consumed() const override { return stream_->consumed(); }

 private:
  Status grow(std::string& block) {
    const size_t size = block.size();
    block.resize(size + kReadBytes);
    Result<size_t> count = stream_->read(std::span<char>(block).subspan(size));
    block.resize(size + (count.ok() ? count.value() : 0));
    if (!count.ok()) {
      failure_ = std::move(count).error();
      ended_ = true;
      const size_t newline = block.rfind('\n');  // a half line of a broken file is nothing
      block.resize(newline == std::string::npos ? 0 : newline + 1);
    } else if (count.value() == 0) {
      ended_ = true;
    }
    return Done{};
  }

  /// Forgets a line without end, up to its end.
  Status skip_line(Batch& batch, std::string& block) {
    Record record;
    record.kind = RecordKind::broken;
    record.number = ++line_;
    record.reason = fmt::format("longer than {} bytes", kRecordBytesMax);
    batch.records.push_back(std::move(record));
    for (;;) {
      block.clear();
      KEDGE_TRY(grow(block));
      const size_t newline = block.find('\n');
      if (newline != std::string::npos) {
        block.erase(0, newline + 1);
        return Done{};
      }
      if (ended_) return Done{};
    }
  }

  void cut(Batch& batch, std::unique_ptr<std::string> block) {
    const size_t size = block->size();
    block->resize(size + kReadAheadBytes, '\0');
    std::string_view text(block->data(), size);
    while (!text.empty()) {
      const size_t newline = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, newline);
      text.remove_prefix(std::min(newline + 1, text.size()));
      ++line_;
      if (is_blank(line)) continue;
      Record record;
      record.bytes = line;
      record.number = line_;
      batch.records.push_back(std::move(record));
    }
    batch.storage.push_back(std::move(block));
    if (failure_) {
      Record record;
      record.kind = RecordKind::broken;
      record.number = line_ + 1;
      record.reason = failure_->message;
      batch.records.push_back(std::move(record));
      failure_.reset();
    }
  }

  std::unique_ptr<ByteStream> stream_;
  std::string rest_;
  std::optional<Error> failure_;
  uint64_t line_ = 0;
  bool ended_ = false;
};

Error no_document(std::string message) {
  return Error{ErrorKind::invalid_input, std::move(message)};
}

Result<std::string> id_of(const simdjson::dom::element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::STRING:
    case simdjson::dom::element_type::INT64:
    case simdjson::dom::element_type::UINT64:
      return simdjson::minify(value);
    default:
      return no_document("the id is neither a string nor a whole number");
  }
}

}  // namespace

std::unique_ptr<Source> open_jsonl(std::unique_ptr<ByteStream> stream, std::string head) {
  return std::make_unique<JsonlSource>(std::move(stream), std::move(head));
}

Result<Document> parse_json_line(std::string_view line, const Fields& fields) {
  thread_local simdjson::dom::parser parser(kRecordBytesMax + kReadAheadBytes);
  simdjson::dom::element root;
  if (const auto code = parser.parse(line.data(), line.size(), false).get(root); code != simdjson::SUCCESS) {
    return Error{ErrorKind::corrupt_data, fmt::format("not JSON: {}", simdjson::error_message(code))};
  }
  simdjson::dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return no_document("not a JSON object");
  Document document;
  document.line = line;
  bool has_text = false;
  for (const auto& [key, value] : object) {
    if (key == fields.id) {
      KEDGE_ASSIGN(document.id_json, id_of(value));
    } else if (key == fields.text) {
      std::string_view text;
      has_text = value.get(text) == simdjson::SUCCESS;
      if (has_text) document.text.assign(text);
    } else if (key == fields.url) {
      std::string_view url;
      if (value.get(url) == simdjson::SUCCESS) document.url.assign(url);
    }
  }
  if (document.id_json.empty()) return no_document(fmt::format("no '{}'", fields.id));
  if (!has_text) return no_document(fmt::format("no text in '{}'", fields.text));
  return document;
}

}  // namespace kedge::data
