#pragma once
// Tables and code of a page as Markdown (GitHub's: GFM 4.5 and 4.10).

#include <optional>
#include <string>

#include "curate/extract/html_tree.h"

namespace kedge::curate {

/// A `pre` element between fences, with its language where its class says one ("language-c"). "" when it is blank.
std::string fenced_code(const HtmlNode* pre);

/// A `table` of two rows and two columns at least, whose cells hold nothing but text; nothing of others, which lay out
/// a page. Its first row is the head.
std::optional<std::string> markdown_table(const HtmlNode* table);

}  // namespace kedge::curate
