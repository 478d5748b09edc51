#pragma once
// The text of a page that is its own, without what surrounds it on every page of the site.

#include <string>
#include <string_view>

namespace kedge::curate {

enum class ExtractionMode : uint8_t { precision, recall };

/// A block of text a line; preformatted text keeps its lines. markdown: code stands between fences, and tables of plain
/// cells are Markdown's. Never empty for a page with any text.
std::string extract_main_text(std::string_view html, ExtractionMode mode, bool markdown = false);

}  // namespace kedge::curate
