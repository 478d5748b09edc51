#pragma once
// The text of a page without regard to what in it is main text.

#include "curate/code_text.h"

namespace kedge::curate {

/// data-juicer's clean_html_mapper (1.6.1, with selectolax's lexbor parser): items and ordered lists begin on a new
/// line with "*", and then all text of the page, scripts' and style sheets' too, but for that of templates. A page that
/// no tree can be made of is read as text without tags.
std::u32string html_text(CodeView page);

}  // namespace kedge::curate
