// Web archives: responses are handed out as they lie in the file; everything else in it is no page.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "data/json_text.h"
#include "data/source.h"
#include "data/trim.h"
#include "text/unicode/utf8.h"

namespace kedge::data {
namespace {

constexpr size_t kHeaderBytesMax = size_t{64} << 10;
constexpr size_t kReadBytes = size_t{1} << 18;
constexpr std::string_view kRecordBegin = "WARC/";
constexpr std::string_view kRecordMark = "\nWARC/1.";

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

/// Where the header at the front of `bytes` ends and the body begins; nothing where no empty line closes it.
struct HeaderEnd {
  size_t end, body;
};
std::optional<HeaderEnd> header_end(std::string_view bytes) {
  for (size_t at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    const std::string_view rest = bytes.substr(at + 1);
    if (rest.starts_with('\n')) return HeaderEnd{at, at + 2};
    const bool crlf = at > 0 && bytes[at - 1] == '\r';
    if (crlf && rest.starts_with("\r\n")) return HeaderEnd{at - 1, at + 3};
  }
  return std::nullopt;
}

/// Where a record begins behind an empty line; npos.
size_t find_record(std::string_view bytes) {
  for (size_t at = bytes.find(kRecordMark); at != std::string_view::npos; at = bytes.find(kRecordMark, at + 1)) {
    const std::string_view before = bytes.substr(0, at);
    if (before.ends_with('\n') || before.ends_with("\n\r")) return at + 1;
  }
  return std::string_view::npos;
}

/// A record whose length is wrong is handed on as broken, and reading goes on at the next that begins behind an empty
/// line.
class WarcSource final : public Source {
 public:
  WarcSource(std::unique_ptr<ByteStream> stream, std::string head)
      : stream_(std::move(stream)), buffer_(head.begin(), head.end()), end_(head.size()) {}

  Result<bool> read(Batch& batch, size_t bytes) override {
    for (size_t taken = 0; taken < bytes;) {
      KEDGE_ASSIGN(const bool more, skip_blank());
      if (!more) return taken > 0;
      ++number_;
      KEDGE_ASSIGN(const auto found, read_header());
      const auto length = found ? content_length(*found) : std::nullopt;
      if (!length) {
        reject(batch, found ? "no valid Content-Length" : "no header that begins with 'WARC/' within 64 KiB");
        KEDGE_TRY(resynchronize());
        ++taken;
        continue;
      }
      KEDGE_TRY(take_record(batch, *found, *length));
      taken += *length > kRecordBytesMax ? 1 : *length + 1;
    }
    return true;
  }

  [[nodiscard]] const char* unit() const override { return "record"; }
  [[nodiscard]] size_t consumed() const override { return stream_->consumed(); }

 private:
  [[nodiscard]] static Error broken(std::string_view what) { return {ErrorKind::corrupt_data, std::string(what)}; }

  void reject(Batch& batch, std::string reason) const {
    Record record;
    record.kind = RecordKind::broken;
    record.number = number_;
    record.reason = std::move(reason);
    batch.records.push_back(std::move(record));
  }

  /// False at the end of the file. What has been read is moved away where that halves what is kept.
  Result<bool> fill() {
    if (at_end_) return false;
    if (begin_ >= end_ - begin_) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
    if (buffer_.size() < end_ + kReadBytes) buffer_.resize(end_ + kReadBytes);
    KEDGE_ASSIGN(const size_t count, stream_->read(std::span<char>(buffer_).subspan(end_)));
    end_ += count;
    at_end_ = count == 0;
    return count > 0;
  }
  /// False where the file ends before.
  Result<bool> fill_to(size_t size) {
    while (at_hand().size() < size) {
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return false;
    }
    return true;
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

  /// Nothing where no record begins, or its header is too long.
  Result<std::optional<std::string>> read_header() {
    KEDGE_TRY(fill_to(kRecordBegin.size()));
    if (!at_hand().starts_with(kRecordBegin)) return std::optional<std::string>();
    for (;;) {
      if (const auto found = header_end(at_hand().substr(0, kHeaderBytesMax + 4))) {
        std::string header(at_hand().substr(0, found->end));
        begin_ += found->body;
        return std::optional(std::move(header));
      }
      if (at_hand().size() > kHeaderBytesMax) return std::optional<std::string>();
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return broken("the web archive breaks off in a header");
    }
  }

  static std::optional<size_t> content_length(std::string_view header) {
    const std::string_view value = header_value(header, "Content-Length");
    size_t length = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
    return length;
  }

  /// To the next record that begins behind an empty line, or to the end of the file; whether there is one.
  Result<bool> resynchronize() {
    for (;;) {
      const size_t found = find_record(at_hand());
      if (found != std::string_view::npos) {
        begin_ += found;
        return true;
      }
      begin_ = end_ - std::min(at_hand().size(), kRecordMark.size() + 2);
      KEDGE_ASSIGN(const bool more, fill());
      if (more) continue;
      begin_ = end_;
      return false;
    }
  }

  /// Whether `length` bytes on stands what closes a record, or one begins, or the file ends.
  Result<bool> ends_well(size_t length) {
    constexpr std::string_view kClosing = "\r\n\r\n";
    KEDGE_TRY(fill_to(length + kClosing.size()));
    if (at_hand().substr(length).starts_with(kClosing)) return true;
    for (size_t at = length;;) {
      const std::string_view rest = at_hand().substr(at);
      const size_t blank = std::min(rest.find_first_not_of("\r\n"), rest.size());
      if (rest.size() - blank >= kRecordBegin.size()) return rest.substr(blank).starts_with(kRecordBegin);
      at += blank;
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return kRecordBegin.starts_with(at_hand().substr(at));  // the next one may break off at once
    }
  }

  /// Behind the header: the record, and its bytes if it is a response.
  Status take_record(Batch& batch, std::string_view header, size_t length) {
    if (length > kRecordBytesMax) return skip_large(batch, header, length);
    KEDGE_ASSIGN(const bool whole, fill_to(length));
    if (!whole) {
      KEDGE_ASSIGN(const bool found, resynchronize());
      if (!found) return broken("the web archive breaks off in a record");
      reject(batch, "its Content-Length reaches beyond the end of the file");
      return Done{};
    }
    const Result<bool> well = ends_well(length);
    if (well.ok() && !well.value()) {
      reject(batch, fmt::format("its Content-Length is {}, but no record follows there", length));
      KEDGE_TRY(resynchronize());
      return Done{};
    }
    if (equal_names(header_value(header, "WARC-Type"), "response")) add_response(batch, header, length);
    begin_ += length;
    if (!well.ok()) return well.error();  // the record was whole, what follows cannot be read
    return Done{};
  }

  /// A record that begins within it stands behind a wrong length.
  Status skip_large(Batch& batch, std::string_view header, size_t length) {
    while (length > 0) {
      const std::string_view here = at_hand().substr(0, length);
      if (const size_t found = find_record(here); found != std::string_view::npos) {
        begin_ += found;
        reject(batch, "its Content-Length reaches beyond the next record");
        return Done{};
      }
      const size_t kept = here.size() == length ? 0 : std::min(here.size(), kRecordMark.size() + 2);
      begin_ += here.size() - kept;
      length -= here.size() - kept;
      if (length == 0) break;
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return broken("the web archive breaks off in a record");
    }
    if (equal_names(header_value(header, "WARC-Type"), "response")) {
      reject(batch, fmt::format("larger than {} bytes", kRecordBytesMax));
    }
    return Done{};
  }

  void add_response(Batch& batch, std::string_view header, size_t length) {
    Record record;
    record.kind = RecordKind::http_response;
    record.number = number_;
    append_json_string(record.document.id_json, valid_text(header_value(header, "WARC-Record-ID")));
    record.document.url = valid_text(header_value(header, "WARC-Target-URI"));
    auto bytes = std::make_unique<std::string>(at_hand().substr(0, length));
    record.bytes = *bytes;
    batch.storage.push_back(std::move(bytes));
    batch.records.push_back(std::move(record));
  }

  std::unique_ptr<ByteStream> stream_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // what is at hand of it
  bool at_end_ = false;
  uint64_t number_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_warc(std::unique_ptr<ByteStream> stream, std::string head) {
  return std::make_unique<WarcSource>(std::move(stream), std::move(head));
}

}  // namespace kedge::data
