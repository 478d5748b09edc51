#include "curate/extract/http_page.h"

#include <fmt/format.h>
#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>
#include <unordered_map>
#include <vector>

#include "data/inflate.h"
#include "text/unicode/utf8.h"

namespace kedge::curate {

extern const std::string_view kCharsetLabels;  // src/curate/data/charset_labels.txt

namespace {

constexpr size_t kMetaBytes = 4096;        // where a page says its character set, if it does
constexpr size_t kDetectionBytes = 65536;  // enough for the detector
constexpr size_t kCodingBytes = 512;       // tell a body that is still coded from text
constexpr size_t kCodingsMax = 4;
constexpr int32_t kDetectionConfidence = 10;

Error refused(std::string message) {
  return {ErrorKind::invalid_input, std::move(message)};
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n\"'");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n\"';") + 1 - begin);
}

struct Header {
  int status = 0;
  std::string type, charset, encoding, transfer;
};

void read_field(std::string_view line, Header& header) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = lower(trimmed(line.substr(0, colon)));
  const std::string value = lower(trimmed(line.substr(colon + 1)));
  if (name == "content-encoding") header.encoding += "," + value;  // several fields are one list
  if (name == "transfer-encoding") header.transfer += "," + value;
  if (name != "content-type") return;
  header.type = trimmed(std::string_view(value).substr(0, value.find(';')));
  const size_t charset = value.find("charset=");
  if (charset == std::string::npos) return;
  const std::string_view rest = std::string_view(value).substr(charset + 8);
  header.charset = trimmed(rest.substr(0, rest.find(';')));
}

/// Cuts the header off the front of `response`.
Result<Header> take_header(std::string_view& response) {
  Header header;
  if (!response.starts_with("HTTP/")) return Error{ErrorKind::corrupt_data, "not an HTTP response"};
  const size_t space = response.substr(0, 16).find(' ');
  if (space != std::string_view::npos) {
    std::from_chars(response.data() + space + 1, response.data() + std::min(response.size(), space + 4), header.status);
  }
  while (!response.empty()) {
    const size_t newline = std::min(response.find('\n'), response.size());
    std::string_view line = response.substr(0, newline);
    response.remove_prefix(std::min(newline + 1, response.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    read_field(line, header);
  }
  return header;
}

/// Undoes chunked transfer; what does not look chunked is left as it is (archives often store the body decoded).
std::string unchunked(std::string_view body) {
  std::string out;
  for (std::string_view rest = body;;) {
    size_t size = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), size, 16);
    const size_t newline = rest.find('\n');
    if (error != std::errc() || newline == std::string_view::npos) return std::string(body);
    rest.remove_prefix(newline + 1);
    if (size == 0) return out;
    if (size > rest.size()) return out.empty() ? std::string(body) : out.append(rest);  // the last one breaks off
    out.append(rest.substr(0, size));
    rest.remove_prefix(size);
    rest.remove_prefix(std::min<size_t>(rest.size(), rest.starts_with("\r\n") ? 2 : 1));
  }
}

bool has_utf16_mark(std::string_view bytes) {
  return bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
}

/// What archives hand out undecoded has control characters among its first bytes, and text has none.
bool looks_decoded(std::string_view body) {
  if (has_utf16_mark(body)) return true;
  const std::string_view head = body.substr(0, kCodingBytes);
  if (head.starts_with('\x1B')) return false;  // Brotli; within texts ISO-2022-JP has it
  return std::none_of(head.begin(), head.end(), [](unsigned char c) {
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1B;
  });
}

/// RFC 1950: a method, and a sum that 31 divides.
bool has_zlib_header(std::string_view body) {
  if (body.size() < 2) return false;
  const auto first = static_cast<unsigned char>(body[0]), second = static_cast<unsigned char>(body[1]);
  return (first & 0x0F) == 8 && first <= 0x78 && (first * 256 + second) % 31 == 0;
}

/// Of a body that breaks off what could be read. A raw one has no mark: only one that ends with the body is one.
Result<std::string> inflated(std::string_view body, data::DeflateForm form) {
  KEDGE_ASSIGN(data::Inflated unpacked, data::inflate_bytes(body, form, kPageBytesMax));
  if (unpacked.too_large) return refused(fmt::format("the page is larger than {} bytes", kPageBytesMax));
  const bool ends = unpacked.whole && body.find_first_not_of("\r\n", unpacked.taken) == std::string_view::npos;
  if (!ends && (unpacked.bytes.empty() || form == data::DeflateForm::raw)) {
    return Error{ErrorKind::corrupt_data, "the page's compressed body cannot be read"};
  }
  return std::move(unpacked.bytes);
}

bool is_gzip(std::string_view body) {
  return body.starts_with("\x1F\x8B");
}

/// Undoes one coding; a body that an archive stored decoded stays.
Result<std::string> undone(std::string_view coding, std::string body) {
  if (coding == "identity") return body;
  if (coding == "chunked") return unchunked(body);
  if (coding == "gzip" || coding == "x-gzip" || coding == "deflate") {
    if (is_gzip(body) || has_zlib_header(body)) return inflated(body, data::DeflateForm::gzip_or_zlib);
    if (looks_decoded(body)) return body;
    if (coding == "deflate") return inflated(body, data::DeflateForm::raw);  // as some servers send it
    return Error{ErrorKind::corrupt_data, "the body's coding is 'gzip', but it is neither gzip nor text"};
  }
  if (looks_decoded(body)) return body;
  return refused(fmt::format("the body's coding is '{}', expected gzip, deflate or none", coding.substr(0, 40)));
}

/// Codings in the order in which they were applied.
std::vector<std::string_view> codings_of(std::string_view list) {
  std::vector<std::string_view> codings;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view coding = trimmed(list.substr(0, comma));
    if (!coding.empty()) codings.push_back(coding);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return codings;
}

Result<std::string> decode_body(std::string_view stored, const Header& header) {
  std::vector<std::string_view> codings = codings_of(header.encoding);
  const std::vector<std::string_view> transfer = codings_of(header.transfer);
  codings.insert(codings.end(), transfer.begin(), transfer.end());
  if (codings.size() > kCodingsMax) {
    return refused(fmt::format("the body has {} codings, expected at most {}", codings.size(), kCodingsMax));
  }
  std::string body(stored);
  bool compressed = false;
  for (; !codings.empty(); codings.pop_back()) {
    compressed = compressed || codings.back() == "gzip" || codings.back() == "x-gzip" || codings.back() == "deflate";
    KEDGE_ASSIGN(body, undone(codings.back(), std::move(body)));
  }
  if (!compressed && is_gzip(body)) return inflated(body, data::DeflateForm::gzip_or_zlib);  // though no field says so
  return body;
}

using Labels = std::unordered_map<std::string_view, std::string_view>;

/// Of lines: a name of ICU's, and the labels that mean it.
Labels read_labels() {
  Labels labels;
  for (std::string_view list = kCharsetLabels; !list.empty();) {
    std::string_view line = list.substr(0, list.find('\n'));
    list.remove_prefix(std::min(line.size() + 1, list.size()));
    if (line.starts_with('#')) continue;
    const std::string_view name = line.substr(0, line.find(' '));
    while (!line.empty()) {
      const std::string_view label = line.substr(0, line.find(' '));
      labels.emplace(label, name);
      line.remove_prefix(std::min(label.size() + 1, line.size()));
    }
  }
  return labels;
}

/// What browsers mean by a label (what calls itself Latin-1 is Windows-1252), as ICU names it; others as they are.
std::string_view converter_of(std::string_view label) {
  static const auto* labels = new Labels(read_labels());  // lives as long as the program
  const auto found = labels->find(label);
  return found == labels->end() ? label : found->second;
}

/// What a meta element declares within the first bytes, or "".
std::string meta_charset(std::string_view bytes) {
  const std::string head = lower(bytes.substr(0, kMetaBytes));
  for (size_t meta = head.find("<meta"); meta != std::string::npos; meta = head.find("<meta", meta + 5)) {
    const std::string_view element = std::string_view(head).substr(meta, head.find('>', meta) - meta);
    const size_t charset = element.find("charset");
    if (charset == std::string_view::npos) continue;
    const size_t equals = element.find('=', charset);
    if (equals == std::string_view::npos) continue;
    std::string_view value = element.substr(equals + 1);
    while (!value.empty() && (value[0] == ' ' || value[0] == '"' || value[0] == '\'')) value.remove_prefix(1);
    value = value.substr(0, value.find_first_of(" \"'/;>"));
    // An element that could be read so far is not in UTF-16.
    return std::string(converter_of(value).starts_with("utf-16") ? "utf-8" : value);
  }
  return "";
}

/// The text, or "" when there is no such character set.
std::string convert(std::string_view bytes, std::string_view charset) {
  std::string name(converter_of(charset));
  if (name == "utf-16" && !has_utf16_mark(bytes)) name = "utf-16le";
  if (name == "utf-8") {
    std::string text;
    text::append_lossy(text, bytes);
    return text;
  }
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<UConverter, void (*)(UConverter*)> converter(ucnv_open(name.c_str(), &error), ucnv_close);
  if (U_FAILURE(error)) return "";
  std::vector<UChar> wide(bytes.size() * 2 + 16);
  const int32_t count = ucnv_toUChars(converter.get(), wide.data(), static_cast<int32_t>(wide.size()), bytes.data(),
                                      static_cast<int32_t>(bytes.size()), &error);
  if (U_FAILURE(error)) return "";
  std::string text(static_cast<size_t>(count) * 3 + 1, '\0');
  int32_t size = 0;
  u_strToUTF8WithSub(text.data(), static_cast<int32_t>(text.size()), &size, wide.data(), count, 0xFFFD, nullptr,
                     &error);
  if (U_FAILURE(error)) return "";
  text.resize(static_cast<size_t>(size));
  return text;
}

std::string detected(std::string_view bytes) {
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<UCharsetDetector, void (*)(UCharsetDetector*)> detector(ucsdet_open(&error), ucsdet_close);
  if (U_FAILURE(error)) return "";
  ucsdet_enableInputFilter(detector.get(), 1);  // tags say nothing about the language
  const std::string_view sample = bytes.substr(0, kDetectionBytes);
  ucsdet_setText(detector.get(), sample.data(), static_cast<int32_t>(sample.size()), &error);
  const UCharsetMatch* match = ucsdet_detect(detector.get(), &error);
  if (U_FAILURE(error) || match == nullptr) return "";
  if (ucsdet_getConfidence(match, &error) < kDetectionConfidence) return "";
  const char* name = ucsdet_getName(match, &error);
  return U_FAILURE(error) || name == nullptr ? "" : lower(name);
}

/// Seven bits, of which escapes make Japanese: valid UTF-8 as well.
bool is_iso_2022_jp(std::string_view bytes) {
  const bool opens = bytes.find("\x1B$B") != std::string_view::npos || bytes.find("\x1B$@") != std::string_view::npos;
  const bool closes = bytes.find("\x1B(B") != std::string_view::npos || bytes.find("\x1B(J") != std::string_view::npos;
  return opens && closes &&
         std::all_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string decode_page(std::string_view bytes, std::string_view declared) {
  if (bytes.size() > kPageBytesMax) bytes = bytes.substr(0, kPageBytesMax);
  std::string_view mark;
  if (bytes.starts_with("\xEF\xBB\xBF")) mark = "utf-8";
  if (bytes.starts_with("\xFF\xFE")) mark = "utf-16le";
  if (bytes.starts_with("\xFE\xFF")) mark = "utf-16be";
  if (mark == "utf-8") bytes.remove_prefix(3);
  for (const std::string& charset : {std::string(declared), meta_charset(bytes), std::string(mark)}) {
    if (charset.empty()) continue;
    std::string text = convert(bytes, charset);
    if (!text.empty() || bytes.empty()) return text;
  }
  if (is_iso_2022_jp(bytes)) return convert(bytes, "iso-2022-jp");
  if (text::is_valid_utf8(bytes)) return std::string(bytes);
  if (const std::string charset = detected(bytes); !charset.empty()) {
    std::string text = convert(bytes, charset);
    if (!text.empty()) return text;
  }
  return convert(bytes, "windows-1252");
}

Result<std::string> read_http_page(std::string_view response) {
  KEDGE_ASSIGN(const Header header, take_header(response));
  if (header.status != 200) return refused(fmt::format("the response's status is {}", header.status));
  const bool text = header.type.empty() || header.type.starts_with("text/") || header.type == "application/xhtml+xml" ||
                    header.type == "application/xml";
  if (!text) return refused(fmt::format("the response is {}, neither HTML nor text", header.type));
  KEDGE_ASSIGN(const std::string body, decode_body(response, header));
  if (body.size() > kPageBytesMax) return refused(fmt::format("the page is larger than {} bytes", kPageBytesMax));
  return decode_page(body, header.charset);
}

}  // namespace kedge::curate
