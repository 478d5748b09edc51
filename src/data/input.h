#pragma once
// A file to be read, or a part of one.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "kedge/result.h"

namespace kedge::data {

/// Lines belong to the part in which they begin.
struct Input {
  std::filesystem::path path;
  std::string id;                        // of the document, where the file is one; empty: the file's name
  uint64_t begin = 0, end = UINT64_MAX;  // bytes, of lines of JSON

  Input(std::filesystem::path file) : path(std::move(file)) {}  // NOLINT: a path is an input
  Input(std::string file) : path(std::move(file)) {}            // NOLINT
  Input(const char* file) : path(file) {}                       // NOLINT
};

inline constexpr char kStandardInput[] = "-";

/// Copies what can be read from `descriptor` into a file without a name, which lives as long as the process: readers
/// may go through it again. Fails with unavailable.
Result<Input> keep_stream(int descriptor);

/// Whether a file is one document by its name: Markdown, plain text, PDF, HTML; with what it is compressed by.
bool is_document_name(const std::filesystem::path& path);
bool is_html_name(const std::filesystem::path& path);

/// Files as they are handed to processes. Consecutive files that are one document each go together up to
/// `kDocumentsBytes`; uncompressed lines of JSON of more than `bytes` (0: never) are cut into parts of about as much.
inline constexpr uint64_t kDocumentsBytes = uint64_t{64} << 20;
std::vector<std::vector<Input>> group_inputs(const std::vector<Input>& inputs, uint64_t bytes);

}  // namespace kedge::data
