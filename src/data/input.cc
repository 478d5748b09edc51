#include "data/input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace kedge::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCopyBytes = size_t{1} << 20;

Error failed(std::string_view what) {
  return {ErrorKind::unavailable, fmt::format("standard input: {}: {}", what, std::strerror(errno))};
}

uint64_t size_of(const Input& input) {
  std::error_code code;
  const auto size = fs::file_size(input.path, code);
  return code ? 0 : size;
}

/// By its first byte that is no space: other formats do not begin like this.
bool is_plain_jsonl(const Input& input) {
  std::array<char, 256> head{};
  std::ifstream file(input.path, std::ios::binary);
  file.read(head.data(), head.size());
  std::string_view text(head.data(), static_cast<size_t>(file.gcount()));
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

bool copy_all(int from, int to) {
  std::string buffer(kCopyBytes, '\0');
  for (;;) {
    const ssize_t count = ::read(from, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count == 0;
    for (ssize_t done = 0; done < count;) {
      const ssize_t written = ::write(to, buffer.data() + done, static_cast<size_t>(count - done));
      if (written < 0 && errno != EINTR) return false;
      done += std::max<ssize_t>(written, 0);
    }
  }
}

/// Without that of a compression.
std::string ending_of(const fs::path& path) {
  fs::path name = path.filename();
  if (name.extension() == ".gz" || name.extension() == ".zst" || name.extension() == ".bz2") name = name.stem();
  return name.extension().string();
}

}  // namespace

Result<Input> keep_stream(int descriptor) {
  std::error_code code;
  std::string name = (fs::temp_directory_path(code) / "kedge-input-XXXXXX").string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return failed(name);
  ::unlink(name.c_str());
  if (!copy_all(descriptor, file)) return failed("cannot be copied");
  Input input("/proc/self/fd/" + std::to_string(file));
  input.id = kStandardInput;
  return input;
}

bool is_document_name(const fs::path& path) {
  const std::string ending = ending_of(path);
  return ending == ".md" || ending == ".markdown" || ending == ".txt" || ending == ".pdf" || is_html_name(path);
}

bool is_html_name(const fs::path& path) {
  const std::string ending = ending_of(path);
  return ending == ".html" || ending == ".htm" || ending == ".xhtml";
}

std::vector<std::vector<Input>> group_inputs(const std::vector<Input>& inputs, uint64_t bytes) {
  std::vector<std::vector<Input>> groups;
  uint64_t together = kDocumentsBytes;  // bytes of the last group, if it takes more documents
  for (const Input& input : inputs) {
    const uint64_t size = size_of(input);
    if (is_document_name(input.path)) {
      if (together >= kDocumentsBytes) {
        groups.emplace_back();
        together = 0;
      }
      groups.back().push_back(input);
      together += size;
      continue;
    }
    together = kDocumentsBytes;
    const uint64_t parts = bytes == 0 || size <= bytes || !is_plain_jsonl(input) ? 1 : (size + bytes - 1) / bytes;
    for (uint64_t part = 0; part < parts; ++part) {
      groups.push_back({input});
      if (part > 0) groups.back().front().begin = part * bytes;
      if (part + 1 < parts) groups.back().front().end = (part + 1) * bytes;
    }
  }
  return groups;
}

}  // namespace kedge::data
