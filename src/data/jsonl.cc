// Lines of JSON: cut here, parsed on the workers.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "data/source.h"

namespace kedge::data {
namespace {

constexpr size_t kReadBytes = size_t{1} << 18;

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
    Block block{batch.buffer()};
    append(block, rest_);
    rest_.clear();
    size_t scanned = 0;
    size_t last = std::string::npos;  // of the newline that ends the last whole line
    while (!ended_ && (block.size < bytes || last == std::string::npos)) {
      KEDGE_TRY(grow(block));
      const size_t found = block.view().substr(std::min(scanned, block.size)).rfind('\n');
      if (found != std::string::npos) last = scanned + found;
      scanned = block.size;
      if (last == std::string::npos && block.size > kRecordBytesMax) {
        KEDGE_TRY(skip_line(batch, block));
        scanned = 0;
      }
    }
    last = block.view().rfind('\n');
    if (!ended_ && last != std::string::npos) {
      rest_ = block.view().substr(last + 1);
      block.size = last + 1;
    }
    cut(batch, std::move(block));
    return true;
  }

  [[nodiscard]] const char* unit() const override { return "line"; }
  [[nodiscard]] size_t consumed() const override { return stream_->consumed(); }

 private:
  /// Bytes of the file at the front of memory that is as large as it ever was: nothing is filled with zeros twice.
  struct Block {
    std::unique_ptr<std::string> bytes;
    size_t size = 0;

    [[nodiscard]] std::string_view view() const { return std::string_view(*bytes).substr(0, size); }
    /// Room for more, and for what a parser reads beyond.
    [[nodiscard]] std::span<char> room(size_t more) {
      const size_t needed = size + more + kReadAheadBytes;
      if (bytes->size() < needed) bytes->resize(std::max(needed, bytes->size() + bytes->size() / 2));
      return std::span<char>(*bytes).subspan(size, more);
    }
  };

  static void append(Block& block, std::string_view text) {
    std::copy(text.begin(), text.end(), block.room(text.size()).begin());
    block.size += text.size();
  }

  Status grow(Block& block) {
    Result<size_t> count = stream_->read(block.room(kReadBytes));
    if (!count.ok()) {
      failure_ = std::move(count).error();
      ended_ = true;
      block.size = block.view().rfind('\n') + 1;  // a half line of a broken file is nothing; npos + 1 is 0
    } else {
      block.size += count.value();
      ended_ = count.value() == 0;
    }
    return Done{};
  }

  /// Forgets a line without end, up to its end.
  Status skip_line(Batch& batch, Block& block) {
    Record record;
    record.kind = RecordKind::broken;
    record.number = ++line_;
    record.reason = fmt::format("longer than {} bytes", kRecordBytesMax);
    batch.records.push_back(std::move(record));
    for (;;) {
      block.size = 0;
      KEDGE_TRY(grow(block));
      const size_t newline = block.view().find('\n');
      if (newline != std::string::npos) {
        const std::string left(block.view().substr(newline + 1));
        block.size = 0;
        append(block, left);
        return Done{};
      }
      if (ended_) return Done{};
    }
  }

  void cut(Batch& batch, Block block) {
    std::string_view text = block.view();
    while (!text.empty()) {
      const size_t newline = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, newline);
      text.remove_prefix(std::min(newline + 1, text.size()));
      ++line_;
      if (is_blank(line)) continue;
      Record& record = batch.records.emplace_back();
      record.bytes = line;
      record.number = line_;
    }
    batch.storage.push_back(std::move(block.bytes));
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

bool needs_no_escape(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; });
}

Status set_id(const simdjson::dom::element& value, std::string& id_json) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS && needs_no_escape(text)) {
    id_json = '"';
    id_json.append(text);
    id_json += '"';
    return Done{};
  }
  switch (value.type()) {
    case simdjson::dom::element_type::STRING:
    case simdjson::dom::element_type::INT64:
    case simdjson::dom::element_type::UINT64:
      id_json = simdjson::minify(value);
      return Done{};
    default:
      return no_document("the id is neither a string nor a whole number");
  }
}

}  // namespace

std::unique_ptr<Source> open_jsonl(std::unique_ptr<ByteStream> stream, std::string head) {
  return std::make_unique<JsonlSource>(std::move(stream), std::move(head));
}

Status parse_json_line(std::string_view line, const Fields& fields, Document& document) {
  thread_local simdjson::dom::parser parser(kRecordBytesMax + kReadAheadBytes);
  simdjson::dom::element root;
  if (const auto code = parser.parse(line.data(), line.size(), false).get(root); code != simdjson::SUCCESS) {
    return Error{ErrorKind::corrupt_data, fmt::format("not JSON: {}", simdjson::error_message(code))};
  }
  simdjson::dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return no_document("not a JSON object");
  document.line = line;
  bool has_text = false;
  for (const auto& [key, value] : object) {
    if (key == fields.id) {
      KEDGE_TRY(set_id(value, document.id_json));
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
  return Done{};
}

}  // namespace kedge::data
