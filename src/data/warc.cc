// Web archives: responses are handed out as they lie in the file; everything else in it is no page.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "data/json_text.h"
#include "data/source.h"
#include "text/unicode/utf8.h"

namespace kedge::data {
namespace {

constexpr size_t kHeaderBytesMax = size_t{64} << 10;
constexpr size_t kReadBytes = size_t{1} << 18;

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

bool equal_names(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
         });
}

/// The value of a header line, or nothing.
std::string_view header_value(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const size_t end = std::min(header.find('\n'), header.size());
    const std::string_view line = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !equal_names(trimmed(line.substr(0, colon)), name)) continue;
    return trimmed(line.substr(colon + 1));
  }
  return {};
}

std::string valid_text(std::string_view bytes) {
  std::string text;
  text::append_lossy(text, bytes);
  return text;
}

class WarcSource final : public Source {
 public:
  WarcSource(std::unique_ptr<ByteStream> stream, std::string head)
      : stream_(std::move(stream)), buffer_(head.begin(), head.end()), end_(head.size()) {}

  Result<bool> read(Batch& batch, size_t bytes) override {
    for (size_t taken = 0; taken < bytes;) {
      KEDGE_ASSIGN(const bool more, skip_blank());
      if (!more) return taken > 0;
      KEDGE_ASSIGN(const std::string header, read_header());
      KEDGE_ASSIGN(const size_t length, content_length(header));
      ++number_;
      if (!equal_names(header_value(header, "WARC-Type"), "response")) {
        KEDGE_TRY(skip(length));
        ++taken;
        continue;
      }
      KEDGE_TRY(add_response(batch, header, length));
      taken += length + 1;
    }
    return true;
  }

  [[nodiscard]] const char* unit() const override { return "record"; }
  [[nodiscard]] size_t consumed() const override { return stream_->consumed(); }

 private:
  [[nodiscard]] static Error broken(std::string_view what) { return {ErrorKind::corrupt_data, std::string(what)}; }

  /// False at the end of the file.
  Result<bool> fill() {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    if (buffer_.size() < end_ + kReadBytes) buffer_.resize(end_ + kReadBytes);
    KEDGE_ASSIGN(const size_t count, stream_->read(std::span<char>(buffer_).subspan(end_)));
    end_ += count;
    return count > 0;
  }

  [[nodiscard]] std::string_view at_hand() const { return {buffer_.data() + begin_, end_ - begin_}; }

  Result<bool> skip_blank() {
    for (;;) {
      const size_t found = at_hand().find_first_not_of("\r\n");
      if (found != std::string_view::npos) {
        begin_ += found;
        return true;
      }
      begin_ = end_;
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return false;
    }
  }

  Result<std::string> read_header() {
    for (;;) {
      const size_t crlf = at_hand().find("\r\n\r\n");
      const size_t lf = at_hand().find("\n\n");
      const size_t end = std::min(crlf, lf);
      if (end != std::string_view::npos) {
        std::string header(at_hand().substr(0, end));
        begin_ += end + (crlf < lf ? 4 : 2);
        if (!header.starts_with("WARC/")) return broken("a record of the web archive does not begin with 'WARC/'");
        return header;
      }
      if (at_hand().size() > kHeaderBytesMax) return broken("a header of the web archive is longer than 64 KiB");
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return broken("the web archive breaks off in a header");
    }
  }

  static Result<size_t> content_length(std::string_view header) {
    const std::string_view value = header_value(header, "Content-Length");
    size_t length = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (error != std::errc() || end != value.data() + value.size()) {
      return broken("a record of the web archive has no valid Content-Length");
    }
    return length;
  }

  Status skip(size_t length) {
    while (length > 0) {
      const size_t here = std::min(length, at_hand().size());
      begin_ += here;
      length -= here;
      if (length == 0) break;
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return broken("the web archive breaks off in a record");
    }
    return Done{};
  }

  Status add_response(Batch& batch, std::string_view header, size_t length) {
    Record record;
    record.kind = RecordKind::http_response;
    record.number = number_;
    append_json_string(record.document.id_json, valid_text(header_value(header, "WARC-Record-ID")));
    record.document.url = valid_text(header_value(header, "WARC-Target-URI"));
    if (length > kRecordBytesMax) {
      KEDGE_TRY(skip(length));
      record.kind = RecordKind::broken;
      record.reason = fmt::format("larger than {} bytes", kRecordBytesMax);
      batch.records.push_back(std::move(record));
      return Done{};
    }
    auto bytes = std::make_unique<std::string>();
    while (bytes->size() < length) {
      const std::string_view here = at_hand().substr(0, length - bytes->size());
      bytes->append(here);
      begin_ += here.size();
      if (bytes->size() == length) break;
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return broken("the web archive breaks off in a record");
    }
    record.bytes = *bytes;
    batch.storage.push_back(std::move(bytes));
    batch.records.push_back(std::move(record));
    return Done{};
  }

  std::unique_ptr<ByteStream> stream_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // what is at hand of it
  uint64_t number_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_warc(std::unique_ptr<ByteStream> stream, std::string head) {
  return std::make_unique<WarcSource>(std::move(stream), std::move(head));
}

}  // namespace kedge::data
