#include "data/source.h"

#include <algorithm>
#include <array>

namespace kedge::data {
namespace {

constexpr size_t kHeadBytes = 512;  // a tar says at byte 257 what it is

bool begins_like_json(std::string_view head) {
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  const size_t first = head.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && head[first] == '{';
}

}  // namespace

bool is_html(std::string_view head) {
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n\f"), head.size()));
  return std::ranges::any_of(std::array<std::string_view, 2>{"<!doctype html", "<html"}, [&](std::string_view start) {
    return head.size() >= start.size() && std::equal(start.begin(), start.end(), head.begin(), [](char a, char b) {
             return a == (b >= 'A' && b <= 'Z' ? b + ('a' - 'A') : b);
           });
  });
}

Result<std::unique_ptr<Source>> Source::open(const Input& input, const Fields& fields) {
  const bool whole = input.begin == 0 && input.end == UINT64_MAX;
  KEDGE_ASSIGN(std::unique_ptr<ByteStream> stream,
               whole ? ByteStream::open(input.path) : ByteStream::open_lines(input));
  std::string head;
  std::array<char, kHeadBytes> buffer{};
  while (head.size() < buffer.size()) {
    const Result<size_t> count = stream->read(std::span<char>(buffer).first(buffer.size() - head.size()));
    if (!count.ok()) return count.error();
    if (count.value() == 0) break;
    head.append(buffer.data(), count.value());
  }
  if (!whole) return open_jsonl(std::move(stream), std::move(head));
  if (head.starts_with("PAR1")) return open_parquet(input.path, fields);
  if (head.starts_with("WARC/")) return open_warc(std::move(stream), std::move(head));
  if (is_wiki_dump(head)) return open_wiki_dump(std::move(stream), std::move(head));
  if (is_tar(head)) return open_tar(std::move(stream), std::move(head));
  if (head.starts_with("%PDF-") || is_html(head) || (is_document_name(input.path) && !begins_like_json(head))) {
    return open_whole_file(std::move(stream), std::move(head), input);
  }
  return open_jsonl(std::move(stream), std::move(head));
}

}  // namespace kedge::data
