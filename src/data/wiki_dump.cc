// Dumps of MediaWiki (pages-articles.xml): pages are handed out as they lie in the file, and read on the workers.
// Pages of encyclopedias are what NeMo Curator's WikipediaIterator takes: namespace 0, no redirects.
#include <fmt/format.h>

#include <algorithm>

#include "data/json_text.h"
#include "data/markup/entities.h"
#include "data/markup/wikitext.h"
#include "data/source.h"
#include "text/unicode/utf8.h"

namespace kedge::data {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr size_t kSiteBytesMax = size_t{1} << 20;
constexpr std::string_view kDumpEnd = "</mediawiki>";
constexpr std::string_view kPageEnd = "</page>";

/// What stands between the first <name ...> and the next </name>; nothing where there is none.
std::string_view element(std::string_view xml, std::string_view name, std::string_view* attributes = nullptr) {
  const std::string open = fmt::format("<{}", name), close = fmt::format("</{}>", name);
  for (size_t at = xml.find(open); at != std::string_view::npos; at = xml.find(open, at + 1)) {
    const size_t behind = at + open.size();
    if (behind >= xml.size() || (xml[behind] != '>' && xml[behind] != ' ' && xml[behind] != '/')) continue;
    const size_t end = xml.find('>', behind);
    if (end == std::string_view::npos) return {};
    if (attributes != nullptr) *attributes = xml.substr(behind, end - behind);
    if (xml[end - 1] == '/') return {};
    const size_t last = xml.find(close, end);
    return last == std::string_view::npos ? std::string_view() : xml.substr(end + 1, last - end - 1);
  }
  return {};
}

std::string text_of(std::string_view xml) {
  std::string text;
  text::append_lossy(text, decode_entities(xml));
  return text;
}

/// Bytes of a page's name in an address, as MediaWiki writes them.
std::string address_of(std::string_view title) {
  std::string out;
  for (const char c : title) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-_.~/:,()!*").find(c) != std::string_view::npos;
    if (c == ' ') {
      out += '_';
    } else if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

WikiSite site_of(std::string_view header) {
  WikiSite site;
  const std::string base = text_of(element(header, "base"));
  site.address = base.substr(0, base.rfind('/') + 1);
  constexpr std::string_view kBegin = "<namespace ";
  for (size_t at = header.find(kBegin), next = 0; at != std::string_view::npos; at = next) {
    next = header.find(kBegin, at + 1);
    const std::string_view one = header.substr(at, next - at);
    const std::string_view line = one.substr(0, one.find('\n'));
    const size_t key = line.find("key=\"");
    if (key == std::string_view::npos) continue;
    const std::string_view number = line.substr(key + 5, line.find('"', key + 5) - key - 5);
    const std::string name = text_of(element(line, "namespace"));
    if (name.empty()) continue;
    if (number == "6" || number == "-2") site.names.media.push_back(name);
    if (number == "14") site.names.category.push_back(name);
  }
  return site;
}

class WikiDump final : public Source {
 public:
  WikiDump(std::unique_ptr<ByteStream> stream, std::string head)
      : stream_(std::move(stream)), buffer_(std::move(head)) {}

  Result<bool> read(Batch& batch, size_t bytes) override {
    for (size_t taken = 0; taken < bytes;) {
      KEDGE_ASSIGN(const bool found, find_page());
      if (!found) return taken > 0;
      KEDGE_ASSIGN(const size_t size, add_page(batch));
      taken += size;
    }
    return true;
  }

  [[nodiscard]] const char* unit() const override { return "page"; }
  [[nodiscard]] size_t consumed() const override { return stream_->consumed(); }

 private:
  [[nodiscard]] std::string_view at_hand() const { return std::string_view(buffer_).substr(begin_); }

  Result<bool> fill() {
    buffer_.erase(0, begin_);
    begin_ = 0;
    const size_t size = buffer_.size();
    buffer_.resize(size + kReadBytes);
    const Result<size_t> count = stream_->read(std::span<char>(buffer_).subspan(size));
    buffer_.resize(size + (count.ok() ? count.value() : 0));
    if (!count.ok()) return count.error();
    return count.value() > 0;
  }

  /// To the next <page>. What stands before the first is the site's description.
  Result<bool> find_page() {
    for (;;) {
      const size_t found = at_hand().find("<page>");
      if (found != std::string_view::npos) {
        if (site_ == nullptr) site_ = std::make_shared<const WikiSite>(site_of(at_hand().substr(0, found)));
        begin_ += found;
        closed_ = false;
        return true;
      }
      if (site_ == nullptr && at_hand().size() > kSiteBytesMax) {
        return Error{ErrorKind::corrupt_data, "the dump has no <page> in its first MiB"};
      }
      closed_ = closed_ || at_hand().find(kDumpEnd) != std::string_view::npos;
      if (site_ != nullptr) begin_ = buffer_.size() - std::min<size_t>(at_hand().size(), kDumpEnd.size() + 8);
      KEDGE_ASSIGN(const bool more, fill());
      if (more) continue;
      if (closed_) return false;
      return Error{ErrorKind::corrupt_data, fmt::format("the dump breaks off after page {}", number_)};
    }
  }

  /// From <page> to </page>; its bytes.
  Result<size_t> add_page(Batch& batch) {
    Record record;
    record.kind = RecordKind::wiki_page;
    record.number = ++number_;
    record.site = site_;
    size_t scanned = 0;
    for (;;) {
      const size_t end = at_hand().find(kPageEnd, scanned);
      if (end != std::string_view::npos) {
        auto bytes = std::make_unique<std::string>(at_hand().substr(0, end));
        begin_ += end + kPageEnd.size();
        record.bytes = *bytes;
        batch.storage.push_back(std::move(bytes));
        break;
      }
      scanned = at_hand().size() - std::min(at_hand().size(), kPageEnd.size());
      if (at_hand().size() > kRecordBytesMax) {
        record.kind = RecordKind::broken;
        record.reason = fmt::format("a page larger than {} bytes", kRecordBytesMax);
        begin_ = buffer_.size();
        batch.records.push_back(std::move(record));
        return kRecordBytesMax;
      }
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return Error{ErrorKind::corrupt_data, fmt::format("the dump breaks off in page {}", number_)};
    }
    const size_t size = record.bytes.size() + 1;
    batch.records.push_back(std::move(record));
    return size;
  }

  std::unique_ptr<ByteStream> stream_;
  std::string buffer_;
  size_t begin_ = 0;
  uint64_t number_ = 0;
  bool closed_ = false;  // the dump's end stands behind the last page
  std::shared_ptr<const WikiSite> site_;
};

Error no_document(std::string what) {
  return {ErrorKind::invalid_input, std::move(what)};
}

}  // namespace

bool is_wiki_dump(std::string_view head) {
  const size_t found = head.find("<mediawiki");
  return found != std::string_view::npos && head.find_first_not_of("\xEF\xBB\xBF \t\r\n") == head.find('<');
}

std::unique_ptr<Source> open_wiki_dump(std::unique_ptr<ByteStream> stream, std::string head) {
  return std::make_unique<WikiDump>(std::move(stream), std::move(head));
}

Result<Document> parse_wiki_page(const Record& record) {
  const std::string_view page = record.bytes;
  const size_t revision = std::min(page.find("<revision>"), page.size());
  const std::string_view about = page.substr(0, revision);
  Document document;
  document.title = text_of(element(about, "title"));
  const std::string_view space = element(about, "ns"), id = element(about, "id");
  if (space != "0") return no_document(fmt::format("a page of another namespace ({})", space.substr(0, 20)));
  if (about.find("<redirect") != std::string_view::npos) return no_document("a redirect");
  if (document.title.empty() || id.empty()) return Error{ErrorKind::corrupt_data, "a page without title or id"};
  append_json_string(document.id_json, text_of(id));
  const size_t last = page.rfind("<revision>");
  if (last == std::string_view::npos) return Error{ErrorKind::corrupt_data, "a page without a revision"};
  document.text = plain_text(text_of(element(page.substr(last), "text")), record.site->names);
  document.url = record.site->address + address_of(document.title);
  return document;
}

}  // namespace kedge::data
