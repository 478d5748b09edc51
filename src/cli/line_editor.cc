#include "cli/line_editor.h"

#include <histedit.h>

#include <cstdio>
#include <string_view>
#include <system_error>
#include <utility>

namespace kedge::cli {
namespace {
constexpr int kHistoryLinesMax = 1000;
}

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::filesystem::path history_file;
  std::string prompt;
  bool interrupted = false;

  static State& of(EditLine* editor) {
    void* state = nullptr;
    el_get(editor, EL_CLIENTDATA, &state);
    return *static_cast<State*>(state);
  }
  static char* prompt_of(EditLine* editor) { return of(editor).prompt.data(); }
  static unsigned char on_interrupt(EditLine* editor, int) {
    of(editor).interrupted = true;
    return CC_NEWLINE;
  }

  /// The line with its newline cut; nothing at the end of input.
  std::optional<std::string> read_one() {
    int count = 0;
    const char* line = el_gets(editor, &count);
    if (line == nullptr || count <= 0) return std::nullopt;
    std::string text(line, static_cast<size_t>(count));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
  }

  void remember(const std::string& line) {
    if (line.find_first_not_of(' ') == std::string::npos) return;
    HistEvent event;
    ::history(history, &event, H_ENTER, line.c_str());
    if (!history_file.empty()) ::history(history, &event, H_SAVE, history_file.c_str());
  }
};

LineEditor::LineEditor(std::filesystem::path history_file) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.history_file = std::move(history_file);
  state.editor = el_init("kedge", stdin, stdout, stderr);
  state.history = history_init();
  HistEvent event;
  history(state.history, &event, H_SETSIZE, kHistoryLinesMax);
  history(state.history, &event, H_SETUNIQUE, 1);
  if (!state.history_file.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(state.history_file.parent_path(), ignored);
    history(state.history, &event, H_LOAD, state.history_file.c_str());
  }
  el_set(state.editor, EL_CLIENTDATA, &state);
  el_set(state.editor, EL_PROMPT_ESC, &State::prompt_of, '\1');
  el_set(state.editor, EL_EDITOR, "emacs");
  el_set(state.editor, EL_HIST, history, state.history);
  // While a line is edited Ctrl-C is a key: it drops the line.
  el_set(state.editor, EL_SETTY, "-d", "-isig", nullptr);
  el_set(state.editor, EL_ADDFN, "kedge-interrupt", "drop the line", &State::on_interrupt);
  el_set(state.editor, EL_BIND, "^C", "kedge-interrupt", nullptr);
  el_set(state.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(state.editor, nullptr);
}

LineEditor::~LineEditor() {
  history_end(state_->history);
  el_end(state_->editor);
}

std::optional<std::string> LineEditor::read(const std::string& prompt) {
  State& state = *state_;
  state.prompt = prompt;
  state.interrupted = false;
  std::string text;
  for (;;) {
    std::optional<std::string> line = state.read_one();
    if (state.interrupted) return "";
    if (!line) return text.empty() ? std::nullopt : std::optional<std::string>(text);
    text += *line;
    if (!text.ends_with('\\')) break;
    text.back() = '\n';
    state.prompt = "... ";
  }
  state.remember(text);
  return text;
}

}  // namespace kedge::cli
