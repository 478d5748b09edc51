#pragma once
// XHTML's short form of an element without content, which HTML does not know.

#include <string>
#include <string_view>

namespace kedge::curate {

/// Whether a page says that it is XHTML: an XML declaration or a document type within its first kilobyte.
bool is_xhtml(std::string_view html);

/// Replaces <a id="x"/> by <a id="x"></a>, but for elements that never have content. HTML takes the first for an <a>
/// that stays open: what follows would be a link.
std::string with_empty_elements_closed(std::string_view html);

}  // namespace kedge::curate
