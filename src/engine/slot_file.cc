#include "engine/slot_file.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <string_view>

#include "core/checksum.h"
#include "core/file.h"
#include "engine/kv_cache.h"

namespace kedge::engine {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "kedgeslt";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kTokensMax = 1U << 28, kPagesMax = 1U << 28, kTextMax = 1U << 16;

struct Header {
  char magic[8];
  uint32_t version, page_tokens, tokens, pages, model_bytes, salt_bytes;
  int64_t rope;
};
static_assert(sizeof(Header) == 40);

struct PageEntry {
  uint32_t group, block;
  uint64_t checksum;
};
static_assert(sizeof(PageEntry) == 16);

/// Takes parts from the front of bytes that are long enough.
class Parts {
 public:
  explicit Parts(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> take(uint64_t size) {
    const auto part = bytes_.first(static_cast<size_t>(size));
    bytes_ = bytes_.subspan(static_cast<size_t>(size));
    return part;
  }
  [[nodiscard]] uint64_t left() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Error broken(const std::string& name, const std::string& what) {
  return {ErrorKind::corrupt_data, fmt::format("{}: {}; save the slot again", name, what)};
}

Result<Header> read_header(std::span<const std::byte> bytes, const std::string& name) {
  Header header{};
  if (bytes.size() < sizeof(header) + sizeof(uint64_t)) return broken(name, "no slot's file, it is too short");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::string_view(header.magic, sizeof(header.magic)) != kMagic) {
    return broken(name, "no slot's file, it does not begin with 'kedgeslt'");
  }
  if (header.version != kVersion || header.page_tokens != kPageTokens) {
    return Error{ErrorKind::unsupported, fmt::format("{}: version {} with pages of {} tokens, expected {} and {}; save "
                                                     "the slot again",
                                                     name, header.version, header.page_tokens, kVersion, kPageTokens)};
  }
  if (header.tokens > kTokensMax || header.pages > kPagesMax || header.model_bytes > kTextMax ||
      header.salt_bytes > kTextMax) {
    return broken(name, fmt::format("{} tokens, {} pages, texts of {} and {} bytes are too many", header.tokens,
                                    header.pages, header.model_bytes, header.salt_bytes));
  }
  return header;
}

Status take_pages(std::span<const std::byte> table, Parts& parts, const SlotReader& reader, SlotFile& file,
                  const std::string& name) {
  const uint64_t blocks = file.tokens.size() / kPageTokens;
  for (size_t at = 0; at < table.size(); at += sizeof(PageEntry)) {
    PageEntry entry{};
    std::memcpy(&entry, table.data() + at, sizeof(entry));
    if (entry.group >= reader.page_bytes.size() || entry.block >= blocks) {
      return broken(name, fmt::format("a page of group {} and block {}, expected less than {} and {}", entry.group,
                                      entry.block, reader.page_bytes.size(), blocks));
    }
    const uint64_t size = reader.page_bytes[entry.group];
    if (size > parts.left()) return broken(name, "it ends within a page");
    file.pages.push_back({entry.group, entry.block, entry.checksum, parts.take(size)});
  }
  if (parts.left() > 0) return broken(name, fmt::format("{} bytes follow the last page", parts.left()));
  return Done{};
}

}  // namespace

Result<SlotFile> parse_slot_file(std::span<const std::byte> bytes, const SlotReader& reader, const std::string& name) {
  KEDGE_ASSIGN(const Header header, read_header(bytes, name));
  const uint64_t token_bytes = uint64_t{header.tokens} * sizeof(TokenId);
  const uint64_t table_bytes = uint64_t{header.pages} * sizeof(PageEntry);
  const uint64_t described = uint64_t{header.model_bytes} + header.salt_bytes + token_bytes + table_bytes;
  Parts parts(bytes);
  const auto head = parts.take(sizeof(Header));
  uint64_t expected = 0;
  std::memcpy(&expected, parts.take(sizeof(expected)).data(), sizeof(expected));
  if (described > parts.left()) return broken(name, "it ends before its pages");
  const auto rest = bytes.subspan(sizeof(Header) + sizeof(expected), static_cast<size_t>(described));
  const uint64_t both[] = {checksum(head), checksum(rest)};
  if (checksum(std::as_bytes(std::span(both))) != expected) return broken(name, "its beginning is damaged");
  SlotFile file{.model = text_of(parts.take(header.model_bytes)),
                .salt = text_of(parts.take(header.salt_bytes)),
                .rope = header.rope,
                .tokens = std::vector<TokenId>(header.tokens),
                .pages = {}};
  if (file.model != reader.model) {
    return Error{
        ErrorKind::invalid_input,
        fmt::format("{}: keys and values of another model: found '{}', expected '{}'", name, file.model, reader.model)};
  }
  if (token_bytes > 0)
    std::memcpy(file.tokens.data(), parts.take(token_bytes).data(), static_cast<size_t>(token_bytes));
  for (const TokenId token : file.tokens) {
    if (token < 0 || token >= reader.vocabulary_size) {
      return broken(name, fmt::format("token {} is outside the vocabulary of {}", token, reader.vocabulary_size));
    }
  }
  const auto table = parts.take(table_bytes);
  KEDGE_TRY(take_pages(table, parts, reader, file, name));
  return file;
}

Result<uint64_t> write_slot_file(const std::filesystem::path& path, SlotFile file) {
  std::vector<PageEntry> table;
  for (const SlotPage& page : file.pages) table.push_back({page.group, page.block, checksum(page.bytes)});
  Header header{.magic = {},
                .version = kVersion,
                .page_tokens = static_cast<uint32_t>(kPageTokens),
                .tokens = static_cast<uint32_t>(file.tokens.size()),
                .pages = static_cast<uint32_t>(table.size()),
                .model_bytes = static_cast<uint32_t>(file.model.size()),
                .salt_bytes = static_cast<uint32_t>(file.salt.size()),
                .rope = file.rope};
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  std::string described = file.model + file.salt;
  const auto append = [&described](std::span<const std::byte> bytes) { described += text_of(bytes); };
  append(std::as_bytes(std::span(file.tokens)));
  append(std::as_bytes(std::span(table)));
  const auto head = std::as_bytes(std::span(&header, 1));
  const uint64_t both[] = {checksum(head), checksum(std::as_bytes(std::span(described)))};
  const uint64_t sum = checksum(std::as_bytes(std::span(both)));
  KEDGE_ASSIGN(AtomicFile out, AtomicFile::create(path));
  KEDGE_TRY(out.write(head));
  KEDGE_TRY(out.write(std::as_bytes(std::span(&sum, 1))));
  KEDGE_TRY(out.write(described));
  for (const SlotPage& page : file.pages) KEDGE_TRY(out.write(page.bytes));
  const uint64_t size = out.size();
  KEDGE_TRY(out.commit());
  return size;
}

}  // namespace kedge::engine
