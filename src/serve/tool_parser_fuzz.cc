// Any text as an answer, in any syntax of calls, cut at any place: the same calls as whole.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "serve/tool_parser.h"

namespace {

using namespace kedge::serve;

std::string found(ToolSyntax syntax, std::string_view first, std::string_view second) {
  ToolCallParser parser(syntax);
  std::string text, calls;
  const auto take = [&](const AnswerPieces& pieces) {
    text += pieces.text;
    for (const ToolCallPiece& piece : pieces.calls)
      calls += (piece.name.empty() ? "" : "\n" + piece.name) + piece.arguments;
  };
  take(parser.push(first));
  take(parser.push(second));
  take(parser.finish());
  return text + "\n" + calls;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 900) return 0;
  const auto syntax = static_cast<ToolSyntax>(data[0] % 7);
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = data[1] % (text.size() + 1);
  KEDGE_CHECK(found(syntax, text, "") == found(syntax, text.substr(0, cut), text.substr(cut)));
  return 0;
}
