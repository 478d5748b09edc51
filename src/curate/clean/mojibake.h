#pragma once
// Repairs text that was decoded in the wrong encoding, as ftfy does.

#include <optional>
#include <string_view>

#include "curate/code_text.h"
#include "curate/normal_forms.h"

namespace kedge::curate {

/// ftfy's switches (TextFixerConfig, 6.3), with the values that leave right text as its author wrote it.
struct Repairs {
  enum class References : uint8_t { automatic, always, never };
  References references = References::automatic;  // automatic: until a line has a '<'
  bool encoding = true;
  bool lost_a0 = true;         // restore_byte_a0
  bool lossy = true;           // replace_lossy_sequences
  bool embedded = true;        // decode_inconsistent_utf8
  bool c1_controls = true;     // fix_c1_controls: as Windows-1252
  bool ligatures = false;      // fix_latin_ligatures
  bool widths = false;         // fix_character_width
  bool quotes = false;         // uncurl_quotes
  bool line_breaks = false;    // fix_line_breaks
  bool terminal_codes = true;  // remove_terminal_escapes
  bool controls = true;        // remove_control_chars
  std::optional<NormalForm> form;
};

/// Line by line, each until nothing changes any more. There is no fix_surrogates: readers join
/// those of JSON's escapes, and valid UTF-8 holds none.
std::u32string repair_text(CodeView text, const Repairs& repairs);

/// repair_text with its usual switches: character references, wrong decodings, also several one upon the other, and
/// control characters. Quotes, ligatures, widths, line breaks and the normal form stay as they are.
std::u32string repair_mojibake(CodeView text);

/// At a glance, for most texts that repair_mojibake leaves as they are; false says nothing. `utf8` is valid UTF-8.
bool needs_no_repair(std::string_view utf8);

}  // namespace kedge::curate
