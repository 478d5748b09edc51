#pragma once
// Calls of tools are found in an answer while it is written.

#include <optional>
#include <string>
#include <vector>

#include "serve/tool_syntax.h"

namespace kedge::serve {

/// What more of an answer brought: text, the name of a call that begins, or more of its arguments.
struct ToolCallPiece {
  uint32_t index = 0;     // of the call
  std::string id, name;   // not empty: the call begins
  std::string arguments;  // JSON
  bool operator==(const ToolCallPiece&) const = default;
};

struct AnswerPieces {
  std::string text;  // besides calls
  std::vector<ToolCallPiece> calls;
};

/// One answer. Gives the same calls however the answer is cut; text that may yet become a call is held back. What is no
/// call after all stays text.
class ToolCallParser {
 public:
  explicit ToolCallParser(ToolSyntax syntax) : syntax_(syntax) {}

  AnswerPieces push(std::string_view text);
  AnswerPieces finish();

  [[nodiscard]] uint32_t call_count() const { return count_; }

 private:
  enum class State : uint8_t { text, call, arguments, keywords, behind };

  bool advance(AnswerPieces& out);  // false: more text is needed
  bool find_mark(AnswerPieces& out);
  bool read_call(AnswerPieces& out);
  bool read_header(AnswerPieces& out);
  bool read_named(AnswerPieces& out);
  bool read_function(AnswerPieces& out);
  bool read_arguments(AnswerPieces& out);
  bool read_keywords(AnswerPieces& out);
  bool read_behind();
  bool give_up(AnswerPieces& out);
  void begin_call(std::string name, AnswerPieces& out);
  void add_text(std::string_view text, AnswerPieces& out);

  const ToolSyntax syntax_;
  State state_ = State::text;
  std::string pending_;  // not understood yet
  std::string raw_;      // of the call's beginning, should it turn out to be text
  std::string space_;    // white space that no text has followed yet
  bool begun_ = false;   // text has come since the start or the last call
  bool final_ = false;   // nothing more will come
  uint32_t count_ = 0;
  // Of arguments: where in the JSON value we are.
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false, started_ = false;
};

/// 9 letters and digits for Mistral's templates, "call_" and 24 of them for the others.
std::string tool_call_id(ToolSyntax syntax);

}  // namespace kedge::serve
