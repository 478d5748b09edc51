#pragma once
// The script that a text is written in.

#include <string>

#include "curate/code_text.h"

namespace kedge::curate {

struct ScriptShare {
  std::string code;  // ISO 15924: "Latn"; "Zzzz" where there is no letter
  double share = 0;  // of the letters
};

/// The most frequent script of a text's letters (Unicode Standard Annex 24); Common and Inherited count for none. Han,
/// kana and hangul are scripts of their own; of equally frequent ones the first in the text counts.
ScriptShare main_script(CodeView text);

}  // namespace kedge::curate
