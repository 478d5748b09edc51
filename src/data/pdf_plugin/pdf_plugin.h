#pragma once
// The border between kedge and the library that reads PDF (through poppler), loaded when the first such file comes.

#include <cstddef>
#include <string>

namespace kedge::data {

/// Appends the text of all pages, an empty line between two. False: `error` says why. Safe from any thread.
using ReadPdf = bool (*)(const char* bytes, size_t size, std::string* text, std::string* error);
inline constexpr char kReadPdfName[] = "kedge_read_pdf";

}  // namespace kedge::data
