#include "data/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "data/inflate.h"
#include "data/json_text.h"
#include "data/markup/tex.h"
#include "data/source.h"
#include "text/unicode/utf8.h"

namespace kedge::data {
namespace {

constexpr size_t kReadBytes = size_t{1} << 18;
constexpr uint64_t kNameBytesMax = 64 << 10;

std::string_view field(std::string_view block, size_t at, size_t size) {
  const std::string_view all = block.substr(at, size);
  return all.substr(0, all.find('\0'));
}

std::optional<uint64_t> number(std::string_view text) {
  if (!text.empty() && (static_cast<unsigned char>(text[0]) & 0x80U) != 0) {  // GNU: binary
    uint64_t value = 0;
    for (const char c : text.substr(text.size() - 8)) value = (value << 8U) | static_cast<unsigned char>(c);
    return value;
  }
  text = text.substr(0, text.find('\0'));
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool ends_like(std::string_view name, std::string_view ending) {
  return name.size() >= ending.size() && std::equal(ending.rbegin(), ending.rend(), name.rbegin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

bool is_all_zero(std::string_view block) {
  return block.find_first_not_of('\0') == std::string_view::npos;
}

class TarSource final : public Source {
 public:
  TarSource(std::unique_ptr<ByteStream> stream, std::string head)
      : stream_(std::move(stream)), buffer_(std::move(head)) {}

  Result<bool> read(Batch& batch, size_t bytes) override {
    for (size_t taken = 0; taken < bytes;) {
      KEDGE_ASSIGN(const auto header, next_header());
      if (!header) return taken > 0;
      KEDGE_ASSIGN(const size_t size, take_member(batch, *header));
      taken += size + 1;
    }
    return true;
  }

  [[nodiscard]] const char* unit() const override { return "member"; }
  [[nodiscard]] size_t consumed() const override { return stream_->consumed(); }

 private:
  static Error broken(std::string what) { return {ErrorKind::corrupt_data, std::move(what)}; }

  /// Appends `size` bytes to `out`, or forgets them.
  Status take(uint64_t size, std::string* out) {
    while (size > 0) {
      if (begin_ == buffer_.size()) {
        begin_ = 0;
        buffer_.resize(kReadBytes);
        const Result<size_t> count = stream_->read(buffer_);
        buffer_.resize(count.ok() ? count.value() : 0);
        if (!count.ok()) return count.error();
        if (buffer_.empty()) return broken("the tar breaks off");
      }
      const size_t here = static_cast<size_t>(std::min<uint64_t>(size, buffer_.size() - begin_));
      if (out != nullptr) out->append(buffer_, begin_, here);
      begin_ += here;
      size -= here;
    }
    return Done{};
  }

  /// Of the next member; nothing at the end.
  Result<std::optional<TarHeader>> next_header() {
    std::string long_name;
    for (;;) {
      std::string block;
      const Status got = take(kTarBlock, &block);
      if (!got.ok() && block.empty() && got.error().kind == ErrorKind::corrupt_data) return std::optional<TarHeader>();
      KEDGE_TRY(got);
      if (is_all_zero(block)) return std::optional<TarHeader>();
      std::optional<TarHeader> header = read_tar_header(block);
      if (!header) return broken(fmt::format("member {} of the tar has no valid header", number_ + 1));
      if (header->type == 'L' && header->size <= kNameBytesMax) {  // the next one's name
        KEDGE_TRY(take(padded(header->size), &long_name));
        long_name.resize(std::min<size_t>(long_name.find('\0'), static_cast<size_t>(header->size)));
        continue;
      }
      if (header->type != '0' && header->type != '\0') {  // folders, links, POSIX's extensions
        KEDGE_TRY(take(padded(header->size), nullptr));
        continue;
      }
      if (!long_name.empty()) header->name = long_name;
      return header;
    }
  }

  Result<size_t> take_member(Batch& batch, const TarHeader& header) {
    Record record;
    record.number = ++number_;
    record.kind = RecordKind::tex_source;
    std::string name;
    text::append_lossy(name, header.name);
    append_json_string(record.document.id_json, name);
    if (header.size > kRecordBytesMax) {
      KEDGE_TRY(take(padded(header.size), nullptr));
      record.kind = RecordKind::broken;
      record.reason = fmt::format("'{}': larger than {} bytes", name, kRecordBytesMax);
      batch.records.push_back(std::move(record));
      return 0;
    }
    auto bytes = std::make_unique<std::string>();
    KEDGE_TRY(take(header.size, bytes.get()));
    KEDGE_TRY(take(padded(header.size) - header.size, nullptr));
    if (ends_like(name, ".md") || ends_like(name, ".txt")) {
      record.kind = text::is_valid_utf8(*bytes) ? RecordKind::document : RecordKind::broken;
      record.readable = true;
      record.reason = fmt::format("'{}': not UTF-8", name);
      record.document.text = *bytes;
    } else {
      record.bytes = *bytes;
      record.document.title = name;
      batch.storage.push_back(std::move(bytes));
    }
    batch.records.push_back(std::move(record));
    return static_cast<size_t>(header.size);
  }

  std::unique_ptr<ByteStream> stream_;
  std::string buffer_;
  size_t begin_ = 0;  // of what is left in it
  uint64_t number_ = 0;
};

/// The files in TeX of a tar in memory. Stops where it is broken.
std::vector<std::string> tex_files(std::string_view tar) {
  std::vector<std::string> files;
  while (tar.size() >= kTarBlock) {
    const auto header = read_tar_header(tar.substr(0, kTarBlock));
    if (!header) break;
    tar.remove_prefix(kTarBlock);
    const bool file = header->type == '0' || header->type == '\0';
    if (file && ends_like(header->name, ".tex")) {
      files.emplace_back();
      text::append_lossy(files.back(),
                         tar.substr(0, static_cast<size_t>(std::min<uint64_t>(header->size, tar.size()))));
    }
    tar.remove_prefix(static_cast<size_t>(std::min<uint64_t>(padded(header->size), tar.size())));
  }
  return files;
}

/// "0001/hep-th0001001.gz" is paper hep-th/0001001, "2001/2001.00001.gz" 2001.00001.
std::string paper_of(std::string_view member) {
  member.remove_prefix(std::min(member.rfind('/') + 1, member.size()));
  for (const std::string_view ending : {".gz", ".tar", ".tex"}) {
    if (ends_like(member, ending)) member.remove_suffix(ending.size());
  }
  const size_t digit = std::min(member.find_first_of("0123456789"), member.size());
  std::string id(member);
  if (digit > 0 && digit < member.size()) id.insert(digit, "/");
  return id;
}

}  // namespace

uint64_t padded(uint64_t size) {
  return size > UINT64_MAX - kTarBlock ? UINT64_MAX : (size + kTarBlock - 1) / kTarBlock * kTarBlock;
}

std::optional<TarHeader> read_tar_header(std::string_view block) {
  const auto size = number(block.substr(124, 12)), sum = number(block.substr(148, 8));
  if (!size || !sum) return std::nullopt;
  uint64_t found = 8 * ' ';  // its own field counts as spaces
  for (size_t i = 0; i < kTarBlock; ++i) {
    if (i < 148 || i >= 156) found += static_cast<unsigned char>(block[i]);
  }
  if (found != *sum) return std::nullopt;
  TarHeader header;
  header.size = *size;
  header.type = block[156];
  const std::string_view prefix = block.substr(257, 6) == std::string_view("ustar\0", 6) ? field(block, 345, 155) : "";
  if (!prefix.empty()) header.name.append(prefix).push_back('/');
  header.name += field(block, 0, 100);
  return header;
}

bool is_tar(std::string_view head) {
  return head.size() >= kTarBlock && !is_all_zero(head.substr(0, kTarBlock)) &&
         read_tar_header(head.substr(0, kTarBlock)).has_value();
}

std::unique_ptr<Source> open_tar(std::unique_ptr<ByteStream> stream, std::string head) {
  return std::make_unique<TarSource>(std::move(stream), std::move(head));
}

Result<Document> parse_tex_source(const Record& record) {
  const std::string& name = record.document.title;
  std::string unpacked;
  std::string_view bytes = record.bytes;
  if (bytes.starts_with("\x1F\x8B")) {
    KEDGE_ASSIGN(unpacked, unpack_gzip(bytes, kRecordBytesMax));
    bytes = unpacked;
  }
  std::vector<std::string> files;
  if (is_tar(bytes)) {
    files = tex_files(bytes);
  } else if (ends_like(name, ".tex") || ends_like(name, ".gz")) {
    files.emplace_back();
    text::append_lossy(files.back(), bytes);
  }
  Document document;
  document.text = clean_tex(files);
  if (document.text.empty()) {
    return Error{ErrorKind::invalid_input, fmt::format("'{}': no source in TeX with a section", name)};
  }
  const std::string paper = paper_of(name);
  append_json_string(document.id_json, paper);
  document.url = "https://arxiv.org/abs/" + paper;
  return document;
}

}  // namespace kedge::data
