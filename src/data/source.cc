#include "data/source.h"

#include <array>

namespace kedge::data {

Result<std::unique_ptr<Source>> Source::open(const std::filesystem::path& path, const Fields& fields) {
  KEDGE_ASSIGN(std::unique_ptr<ByteStream> stream, ByteStream::open(path));
  std::string head;
  std::array<char, 16> buffer{};
  while (head.size() < buffer.size()) {
    const Result<size_t> count = stream->read(buffer);
    if (!count.ok()) return count.error();
    if (count.value() == 0) break;
    head.append(buffer.data(), count.value());
  }
  if (head.starts_with("PAR1")) return open_parquet(path, fields);
  if (head.starts_with("WARC/")) return open_warc(std::move(stream), std::move(head));
  return open_jsonl(std::move(stream), std::move(head));
}

}  // namespace kedge::data
