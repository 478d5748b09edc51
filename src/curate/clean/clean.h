#pragma once
// The operator that repairs texts, and the single changes it is put together from.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "curate/code_text.h"
#include "curate/operator.h"

namespace kedge::curate {

/// From text to text. Safe from any thread.
using TextOp = std::function<std::u32string(CodeView)>;

struct TextChange {
  TextOp change;
  /// Where there is one: true of a text (valid UTF-8) that `change` leaves as it is; false says nothing.
  bool (*leaves)(std::string_view utf8) = nullptr;
};

/// What the changes make of a text, in their order; nothing where they leave it as it is.
std::optional<std::string> changed_text(std::span<const TextChange> changes, std::string_view text);

struct NamedTextOp {
  std::string_view name, meaning;
  TextChange op;
};

/// Those that need no settings; each with its usual ones.
const std::vector<NamedTextOp>& text_ops();
/// Null where there is none of this name.
const NamedTextOp* find_text_op(std::string_view name);
/// "mojibake, ftfy, ...": for messages.
std::string text_op_names();

/// `{"id","text","changed":bool}`. `ops`: names of text_ops(), in their order of work, separated by commas. Fails with
/// invalid_input.
Result<std::unique_ptr<Operator>> make_cleaner(std::string_view ops);

}  // namespace kedge::curate
