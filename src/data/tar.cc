#include "data/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "data/inflate.h"
#include "data/json_text.h"
#include "data/markup/tex.h"
#include "data/source.h"
#include "text/unicode/utf8.h"

namespace kedge::data {
namespace {

constexpr size_t kReadBytes = size_t{1} << 18;
constexpr uint64_t kNameBytesMax = 64 << 10;
constexpr size_t kRatioMax = 8;  // to which gzip is unpacked, whatever it says

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

bool is_gzip(std::string_view bytes) {
  return bytes.starts_with("\x1F\x8B");
}

/// The most bytes that a member is unpacked to: what gzip's last field says (of several streams, the last one's). The
/// members of a batch are counted by it, for all of them are unpacked at once.
size_t unpacked_bytes_max(std::string_view bytes) {
  if (!is_gzip(bytes) || bytes.size() < 4) return bytes.size();
  uint32_t said = 0;
  for (size_t i = 0; i < 4; ++i) said |= uint32_t{static_cast<unsigned char>(bytes[bytes.size() - 4 + i])} << (8 * i);
  return std::min(std::max<size_t>(said, bytes.size() * kRatioMax), kRecordBytesMax);
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

  /// Has bytes at hand; false at the end of the file.
  Result<bool> fill() {
    if (begin_ < buffer_.size()) return true;
    begin_ = 0;
    buffer_.resize(kReadBytes);
    const Result<size_t> count = stream_->read(buffer_);
    buffer_.resize(count.ok() ? count.value() : 0);
    if (!count.ok()) return count.error();
    return !buffer_.empty();
  }

  /// What a compressed tar has behind its end tells whether it is whole.
  Status drain() {
    for (;;) {
      begin_ = buffer_.size();
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return Done{};
    }
  }

  /// Appends `size` bytes to `out`, or forgets them.
  Status take(uint64_t size, std::string* out) {
    while (size > 0) {
      KEDGE_ASSIGN(const bool more, fill());
      if (!more) return broken("the tar breaks off");
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
      if (long_name.empty()) {
        KEDGE_ASSIGN(const bool more, fill());  // some end without their blocks of zeros
        if (!more) return std::optional<TarHeader>();
      }
      std::string block;
      KEDGE_TRY(take(kTarBlock, &block));
      if (is_all_zero(block)) {
        KEDGE_TRY(drain());
        return std::optional<TarHeader>();
      }
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
    const size_t unpacked = unpacked_bytes_max(*bytes);
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
    return unpacked;
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

bool is_digits(std::string_view text, size_t least, size_t most) {
  return text.size() >= least && text.size() <= most &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// "0001/hep-th0001001.gz" is arXiv's paper hep-th/0001001, "2001/2001.00001.gz" 2001.00001; other names are none. The
/// version that may follow stays.
std::optional<std::string> paper_of(std::string_view member) {
  member.remove_prefix(std::min(member.rfind('/') + 1, member.size()));
  for (const std::string_view ending : {".gz", ".tar", ".tex"}) {
    if (ends_like(member, ending)) member.remove_suffix(ending.size());
  }
  const size_t version = std::min(member.rfind('v'), member.size());
  const bool versioned = version + 1 < member.size() && is_digits(member.substr(version + 1), 1, 3);
  const std::string_view id = versioned ? member.substr(0, version) : member;
  const size_t digit = std::min(id.find_first_of("0123456789"), id.size());
  if (digit == 0) {
    const bool paper =
        id.size() >= 9 && id[4] == '.' && is_digits(id.substr(0, 4), 4, 4) && is_digits(id.substr(5), 4, 5);
    return paper ? std::optional(std::string(member)) : std::nullopt;
  }
  // An archive's name and, before 2007, year, month and number: "math.GT0309136" too.
  const bool archive = std::ranges::all_of(id.substr(0, digit), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
  });
  if (!archive || !is_digits(id.substr(digit), 7, 7)) return std::nullopt;
  return std::string(member).insert(digit, "/");
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
  if (is_gzip(bytes)) {
    KEDGE_ASSIGN(unpacked, unpack_gzip(bytes, unpacked_bytes_max(bytes)));
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
  const std::optional<std::string> paper = paper_of(name);
  append_json_string(document.id_json, paper.value_or(name));
  if (paper) document.url = "https://arxiv.org/abs/" + *paper;
  return document;
}

}  // namespace kedge::data
