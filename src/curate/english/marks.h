#pragma once
// Marks that end sentences, and punctuation, as DataTrove and spaCy list them.

#include "curate/code_text.h"

namespace kedge::curate {

/// Ends a line: the sentence-final marks of many scripts.
bool is_terminal_mark(char32_t code);
/// Ends a sentence for spaCy: fewer of them.
bool is_sentence_mark(char32_t code);
/// DataTrove's punctuation that is turned into spaces (control characters too, but for tab and newline).
bool is_datatrove_punctuation(char32_t code);
/// That, or a terminal mark.
bool is_datatrove_symbol(char32_t code);

}  // namespace kedge::curate
