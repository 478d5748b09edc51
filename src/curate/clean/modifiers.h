#pragma once
// Parts of texts taken out or made uniform: NeMo Curator's modifiers (1.4), and what DataTrove and data-juicer add.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "curate/code_text.h"
#include "curate/pattern.h"

namespace kedge::curate {

/// NeMo's NewlineNormalizer: three and more newlines (also CR LF) become two.
std::u32string shorten_newlines(CodeView text);
/// One line end (\n), at most two in a row, no blanks or tabs before them.
std::u32string tidy_newlines(CodeView text);
/// NeMo's QuotationRemover: a text between one pair of double quotes loses them.
std::u32string without_quotation(CodeView text);
/// NeMo's UrlRemover: `https?://\S+` and `www\.\S+`, in any case.
std::u32string without_urls(CodeView text);
/// NeMo's MarkdownRemover: bold, italic and underlined text loses its marks, a link becomes its address.
std::u32string without_markdown(CodeView text);
/// NeMo's LineRemover: no line that equals one of `lines`.
std::u32string without_lines(CodeView text, const std::vector<std::u32string>& lines);
/// NeMo's BoilerPlateStringModifier: without the paragraphs that speak of policies, where all of them are at one end;
/// with `everywhere` such a document becomes empty (NeMo's remove_if_at_top_or_bottom = False). "lorem ipsum" empties
/// it always.
std::u32string without_boilerplate(CodeView text, bool everywhere);
/// DataTrove's SymbolLinesFormatter: without lines of symbols and blanks alone; `in_place` (may be empty) for each run
/// of them.
std::u32string without_symbol_lines(CodeView text, CodeView in_place);
/// data-juicer's whitespace_normalization_mapper: trimmed, and each white space a blank (newlines stay).
std::u32string with_plain_blanks(CodeView text);

/// data-juicer's clean_copyright_mapper: without the first comment of C's, where it speaks of copyright; where there is
/// no such comment, without the lines of comments and empty ones that the text begins with.
std::u32string without_copyright(CodeView text);
/// `in_place` for each match, as re.sub does.
std::u32string with_replaced(CodeView text, const Pattern& pattern, std::string_view in_place);

/// NeMo's Slicer.
struct Slice {
  using End = std::variant<std::monostate, int64_t, std::u32string>;
  End left = int64_t{0};  // an index as Python has it, or text: from where it occurs first
  End right;              // an index, or text: to where it occurs last; nothing: to the end
  bool include_left = true, include_right = true, strip = true;
};

/// Empty where a text that bounds the slice does not occur.
std::u32string slice_of(CodeView text, const Slice& slice);

}  // namespace kedge::curate
