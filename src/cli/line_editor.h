#pragma once
// A line of input on a terminal, with editing and a history that outlives the program (libedit).

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace kedge::cli {

/// One at a time: it owns the terminal while a line is read.
class LineEditor {
 public:
  /// `history_file` empty: the history is not kept.
  explicit LineEditor(std::filesystem::path history_file);
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;
  ~LineEditor();

  /// One line without its newline; "" after Ctrl-C; nothing at the end of input. A line that ends in a backslash goes
  /// on in the next one.
  std::optional<std::string> read(const std::string& prompt);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kedge::cli
