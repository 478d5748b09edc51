#include "cli/chat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include "cli/answer.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/prompt.h"
#include "cli/standard_io.h"
#include "core/file.h"

namespace kedge::cli {
namespace {

constexpr const char* kHelp =
    "/help               this text\n"
    "/clear              forget the conversation\n"
    "/system [TEXT]      show or change the system message\n"
    "/set [NAME VALUE]   show or change temperature, top_k, top_p, min_p, max_tokens, seed\n"
    "/regen              answer the last message again\n"
    "/save FILE          write the conversation as JSON\n"
    "/load FILE          go on with a saved conversation\n"
    "/info               the model and its memory\n"
    "/exit               leave (or Ctrl-D)\n"
    "A line that ends in \\ goes on in the next one. Ctrl-C stops an answer.\n";

std::filesystem::path history_path() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0') {
    return std::filesystem::path(state) / "kedge" / "history";
  }
  const char* home = std::getenv("HOME");
  return home == nullptr ? std::filesystem::path()
                         : std::filesystem::path(home) / ".local" / "state" / "kedge" / "history";
}

/// Escape sequences, or nothing where they would be noise (NO_COLOR: no-color.org).
struct Colors {
  const char* user = "";
  const char* answer = "";
  const char* dim = "";
  const char* off = "";

  static Colors for_terminal() {
    const char* no_color = std::getenv("NO_COLOR");
    if (::isatty(STDOUT_FILENO) == 0 || (no_color != nullptr && *no_color != '\0')) return {};
    return {"\033[1;32m", "\033[36m", "\033[2m", "\033[0m"};
  }
};

template <typename T>
bool parse_number(std::string_view text, T& value) {
  T parsed{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  value = parsed;
  return true;
}

class Chat {
 public:
  Chat(Engine& engine, GenerationOptions options, std::string system)
      : engine_(engine),
        options_(std::move(options)),
        system_(std::move(system)),
        colors_(Colors::for_terminal()),
        editor_(history_path()) {}

  Status run() {
    const InterruptsIgnored ignored;
    say(fmt::format("{}: type a message, /help for commands, Ctrl-D to leave", engine_.info().name));
    // The marks around the color tell the editor that it takes no room.
    const std::string prompt = *colors_.user == '\0' ? "> " : fmt::format("\1{}\1> \1{}\1", colors_.user, colors_.off);
    while (!leaving_) {
      const std::optional<std::string> line = editor_.read(prompt);
      if (!line) break;
      if (line->find_first_not_of(" \n") == std::string::npos) continue;
      KEDGE_TRY(line->starts_with('/') ? command(*line) : message(*line));
    }
    return Done{};
  }

 private:
  Status message(const std::string& text) {
    messages_.push_back({{"role", "user"}, {"content", text}});
    return answer();
  }

  /// Answers the last message. What the engine refuses is said, and the conversation goes on without it.
  Status answer() {
    const Status answered = try_answer();
    if (answered.ok() || answered.error().kind == ErrorKind::unavailable) return answered;
    say(fmt::format("kedge: {}", answered.error().message));
    messages_.erase(messages_.size() - 1);
    return Done{};
  }

  Status try_answer() {
    Json conversation = Json::array();
    if (!system_.empty()) conversation.push_back({{"role", "system"}, {"content", system_}});
    for (const Json& entry : messages_) conversation.push_back(entry);
    KEDGE_ASSIGN(std::vector<TokenId> tokens, chat_prompt(engine_, conversation));
    KEDGE_ASSIGN(Request request, options_.request(std::move(tokens), engine_));
    request.sequence_count = 1;
    KEDGE_TRY(write_output(colors_.answer));
    Status written = Done{};
    Result<AnswerSet> set = run_request(engine_, std::move(request), [&](std::string_view text) {
      if (written.ok()) written = write_output(text);
    });
    KEDGE_TRY(write_output(fmt::format("{}\n", colors_.off)));
    KEDGE_TRY(std::move(written));
    if (!set.ok()) return std::move(set).error();
    messages_.push_back({{"role", "assistant"}, {"content", set.value().answers.front().text}});
    say(fmt::format("{}{}{}{}", colors_.dim, set.value().interrupted ? "stopped; " : "",
                    timings_text(set.value().timings), colors_.off));
    return Done{};
  }

  Status command(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, space);
    const size_t start = line.find_first_not_of(' ', space);
    const std::string rest = start == std::string::npos ? "" : line.substr(start);
    if (name == "/help") return write_output(kHelp);
    if (name == "/exit" || name == "/quit")
      leaving_ = true;
    else if (name == "/clear")
      messages_ = Json::array();
    else if (name == "/system")
      set_system(rest);
    else if (name == "/set")
      set_option(rest);
    else if (name == "/regen")
      return regenerate();
    else if (name == "/save")
      report(save(rest), "saved");
    else if (name == "/load")
      report(load(rest), "loaded");
    else if (name == "/info")
      info();
    else
      say(fmt::format("{}: no such command; /help lists them", name));
    return Done{};
  }

  void report(const Status& status, const char* done) {
    say(status.ok() ? done : fmt::format("kedge: {}", status.error().message));
  }

  void set_system(const std::string& text) {
    if (text.empty()) {
      say(system_.empty() ? "no system message" : system_);
      return;
    }
    system_ = text;
  }

  void set_option(const std::string& text) {
    SamplingOptions& sampling = options_.sampling;
    const size_t space = text.find(' ');
    if (space == std::string::npos) {
      say(fmt::format("temperature {}  top_k {}  top_p {}  min_p {}  max_tokens {}", sampling.temperature,
                      sampling.top_k, sampling.top_p, sampling.min_p, options_.new_tokens_max));
      return;
    }
    const std::string name = text.substr(0, space);
    const std::string value = text.substr(space + 1);
    uint64_t seed = 0;
    const bool known = name == "temperature"  ? parse_number(value, sampling.temperature)
                       : name == "top_k"      ? parse_number(value, sampling.top_k)
                       : name == "top_p"      ? parse_number(value, sampling.top_p)
                       : name == "min_p"      ? parse_number(value, sampling.min_p)
                       : name == "max_tokens" ? parse_number(value, options_.new_tokens_max)
                       : name == "seed"       ? parse_number(value, seed)
                                              : false;
    if (!known)
      say(fmt::format("/set {}: expected temperature, top_k, top_p, min_p, max_tokens or seed, and a number", text));
    if (known && name == "seed") sampling.seed = seed;
  }

  Status regenerate() {
    if (!messages_.empty() && messages_.back()["role"] == "assistant") messages_.erase(messages_.size() - 1);
    if (messages_.empty()) {
      say("nothing to answer yet");
      return Done{};
    }
    return answer();
  }

  Status save(const std::string& path) {
    if (path.empty()) return Error{ErrorKind::invalid_input, "/save: expected a file name"};
    KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
    KEDGE_TRY(file.write(
        Json{{"system", system_}, {"messages", messages_}}.dump(2, ' ', false, Json::error_handler_t::replace)));
    return file.commit();
  }

  Status load(const std::string& path) {
    if (path.empty()) return Error{ErrorKind::invalid_input, "/load: expected a file name"};
    KEDGE_ASSIGN(const Json saved, read_json_file(path));
    const bool shaped = saved.is_object() && saved.contains("messages") && saved["messages"].is_array();
    if (!shaped) return Error{ErrorKind::corrupt_data, fmt::format("{}: expected an object with \"messages\"", path)};
    for (const Json& entry : saved["messages"]) {
      const bool usable = entry.is_object() && entry.contains("role") && entry["role"].is_string() &&
                          entry.contains("content") && entry["content"].is_string();
      if (!usable) return Error{ErrorKind::corrupt_data, fmt::format("{}: a message has no role or no content", path)};
    }
    messages_ = saved["messages"];
    if (saved.contains("system") && saved["system"].is_string()) system_ = saved["system"].get<std::string>();
    return Done{};
  }

  void info() const {
    const ModelInfo& model = engine_.info();
    say(fmt::format(
        "{}: {}, {:.1f} million parameters, context {} tokens, {} on {} with {} threads, {:.1f} MiB planned",
        model.name, model.architecture, static_cast<double>(model.parameter_count) / 1e6, model.context_tokens,
        model.compute, model.isa, model.thread_count, static_cast<double>(engine_.plan().total_bytes()) / 1048576.0));
  }

  Engine& engine_;
  GenerationOptions options_;
  std::string system_;
  Colors colors_;
  LineEditor editor_;
  Json messages_ = Json::array();
  bool leaving_ = false;
};

}  // namespace

Status chat(Engine& engine, GenerationOptions options, std::string system) {
  return Chat(engine, std::move(options), std::move(system)).run();
}

}  // namespace kedge::cli
