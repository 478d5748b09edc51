#pragma once
// MediaWiki's markup as plain text.

#include <string>
#include <string_view>
#include <vector>

namespace kedge::data {

/// Names of namespaces in the dump's language, beside the English ones.
struct WikiNames {
  std::vector<std::string> media, category;
};

struct WikiSite {
  std::string address;  // of pages, up to the title
  WikiNames names;
};

/// As NeMo Curator 1.4 does it with mwparserfromhell's strip_code: without templates, tables, references, comments,
/// links to files and the marks of lists and of bold and italic type; links are their text, headings lines of their
/// own, sections separated by an empty line. Time linear in the text; what is not closed stands as it is.
std::string plain_text(std::string_view wikitext, const WikiNames& names);

}  // namespace kedge::data
