#include "serve/tool_parser.h"

#include <algorithm>
#include <utility>

#include "serve/answer.h"

namespace kedge::serve {

namespace {

constexpr size_t kHeaderBytesMax = 1024;  // of a call, up to its arguments
constexpr std::string_view kSpaces = " \t\r\n";

/// What calls begin with; empty: the answer's first character decides.
std::string_view mark_of(ToolSyntax syntax) {
  switch (syntax) {
    case ToolSyntax::hermes:
      return "<tool_call>";
    case ToolSyntax::mistral_list:
    case ToolSyntax::mistral_args:
      return "[TOOL_CALLS]";
    case ToolSyntax::phi:
      return "<|tool_call|>";
    case ToolSyntax::functools:
      return "functools[";
    case ToolSyntax::llama_json:
    case ToolSyntax::pythonic:
      break;
  }
  return {};
}

/// Longest end of `text` that `mark` may begin with.
size_t partial_mark(std::string_view text, std::string_view mark) {
  for (size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size) {
    if (mark.starts_with(text.substr(text.size() - size))) return size;
  }
  return 0;
}

/// Reads past one piece of JSON or Python. Each returns false when the text ends first; `ok` says whether it fits.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  [[nodiscard]] size_t offset() const { return at_; }
  [[nodiscard]] bool ended() const { return ended_; }
  void skip_space() { at_ = std::min(text_.find_first_not_of(kSpaces, at_), text_.size()); }

  bool take(std::string_view word) {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(word)) {
      at_ += word.size();
      return true;
    }
    ended_ = ended_ || word.starts_with(rest);
    return false;
  }

  /// A string in double quotes, as JSON.
  std::optional<std::string> take_string() {
    if (!take("\"")) return std::nullopt;
    for (size_t i = at_; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '"') {
        const Result<Json> value = parse_json(text_.substr(at_ - 1, i + 2 - at_), "name");
        at_ = i + 1;
        return value.ok() && value.value().is_string() ? std::optional(value.value().get<std::string>()) : std::nullopt;
      }
    }
    ended_ = true;
    return std::nullopt;
  }

  std::string_view take_until(std::string_view stops) {
    const size_t end = text_.find_first_of(stops, at_);
    if (end == std::string_view::npos) {
      ended_ = true;
      return {};
    }
    const std::string_view taken = text_.substr(at_, end - at_);
    at_ = end;
    return taken;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
  bool ended_ = false;
};

/// Values that Python spells in its own way, read as JSON. Nothing when it is neither.
class PythonValues {
 public:
  explicit PythonValues(std::string_view text) : text_(text) {}

  /// key=value, ... up to the ')'.
  std::optional<Json> keywords() {
    Json result = Json::object();
    skip_space();
    while (at_ < text_.size() && text_[at_] != ')') {
      const size_t equals = text_.find('=', at_);
      if (equals == std::string_view::npos) return std::nullopt;
      std::string key(text_.substr(at_, equals - at_));
      while (!key.empty() && kSpaces.find(key.back()) != std::string_view::npos) key.pop_back();
      at_ = equals + 1;
      std::optional<Json> item = value(0);
      if (!item) return std::nullopt;
      result[key] = std::move(*item);
      skip_space();
      if (at_ < text_.size() && text_[at_] == ',') ++at_;
      skip_space();
    }
    return result;
  }

 private:
  void skip_space() { at_ = std::min(text_.find_first_not_of(kSpaces, at_), text_.size()); }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::optional<Json> value(int depth) {
    skip_space();
    if (at_ >= text_.size() || depth > 64) return std::nullopt;
    const char c = text_[at_];
    if (c == '"' || c == '\'') return string();
    if (c == '[') return list(depth);
    if (c == '{') return dict(depth);
    const size_t end = std::min(text_.find_first_of(",)]} \t\r\n", at_), text_.size());
    const std::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    if (word == "True") return Json(true);
    if (word == "False") return Json(false);
    if (word == "None") return Json(nullptr);
    const Result<Json> json = parse_json(word, "value");
    return json.ok() ? std::optional(json.value()) : std::nullopt;
  }

  std::optional<Json> string() {
    const char quote = text_[at_++];
    std::string json = "\"";
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        if (text_[at_] != '\'') json += '\\';
        json += text_[at_];
      } else if (text_[at_] == '"') {
        json += "\\\"";
      } else {
        json += text_[at_];
      }
    }
    ++at_;
    const Result<Json> parsed = parse_json(json + "\"", "string");
    return parsed.ok() ? std::optional(parsed.value()) : std::nullopt;
  }

  std::optional<Json> list(int depth) {
    Json result = Json::array();
    ++at_;
    while (!take(']')) {
      std::optional<Json> item = value(depth + 1);
      if (!item) return std::nullopt;
      result.push_back(std::move(*item));
      take(',');
    }
    return result;
  }

  std::optional<Json> dict(int depth) {
    Json result = Json::object();
    ++at_;
    while (!take('}')) {
      std::optional<Json> key = value(depth + 1);
      if (!key || !key->is_string() || !take(':')) return std::nullopt;
      std::optional<Json> item = value(depth + 1);
      if (!item) return std::nullopt;
      result[key->get<std::string>()] = std::move(*item);
      take(',');
    }
    return result;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::string tool_call_id(ToolSyntax syntax) {
  const bool short_id = syntax == ToolSyntax::mistral_list || syntax == ToolSyntax::mistral_args;
  return short_id ? random_id("").substr(0, 9) : random_id("call_");
}

AnswerPieces ToolCallParser::push(std::string_view text) {
  pending_ += text;
  AnswerPieces out;
  while (!pending_.empty() && advance(out)) {
  }
  return out;
}

AnswerPieces ToolCallParser::finish() {
  final_ = true;
  AnswerPieces out;
  while (!pending_.empty() && advance(out)) {
  }
  if (state_ == State::call || (state_ == State::text && !pending_.empty())) give_up(out);
  if (count_ == 0) out.text += std::exchange(space_, {});
  return out;
}

bool ToolCallParser::advance(AnswerPieces& out) {
  switch (state_) {
    case State::text:
      return find_mark(out);
    case State::call:
      return read_call(out);
    case State::arguments:
      return read_arguments(out);
    case State::keywords:
      return read_keywords(out);
    case State::behind:
      break;
  }
  return read_behind();
}

/// White space at the answer's start and between calls is text only if other text follows.
void ToolCallParser::add_text(std::string_view text, AnswerPieces& out) {
  if (!begun_) {
    const size_t start = text.find_first_not_of(kSpaces);
    if (start == std::string_view::npos) {
      space_ += text;
      return;
    }
    out.text += std::exchange(space_, {});
    begun_ = true;
  }
  out.text += text;
}

bool ToolCallParser::find_mark(AnswerPieces& out) {
  const std::string_view mark = mark_of(syntax_);
  if (mark.empty()) {
    // Calls begin an answer or are none.
    const size_t start = pending_.find_first_not_of(kSpaces);
    if (!begun_ && start == std::string::npos) return false;
    const char first = pending_[begun_ ? 0 : start];
    const bool call = !begun_ && (syntax_ == ToolSyntax::pythonic ? first == '[' : first == '{' || first == '<');
    if (!call) {
      add_text(std::exchange(pending_, {}), out);
      return false;
    }
    raw_ = pending_.substr(0, start + (first == '[' ? 1 : 0));
    pending_.erase(0, raw_.size());
    state_ = State::call;
    return true;
  }
  const size_t found = pending_.find(mark);
  if (found == std::string::npos) {
    const size_t kept = final_ ? 0 : partial_mark(pending_, mark);
    add_text(std::string_view(pending_).substr(0, pending_.size() - kept), out);
    pending_.erase(0, pending_.size() - kept);
    return false;
  }
  add_text(std::string_view(pending_).substr(0, found), out);
  raw_ = std::string(mark);
  pending_.erase(0, found + mark.size());
  state_ = State::call;
  return true;
}

/// It began like a call and is none.
bool ToolCallParser::give_up(AnswerPieces& out) {
  begun_ = true;
  out.text += std::exchange(space_, {}) + std::exchange(raw_, {}) + std::exchange(pending_, {});
  state_ = State::text;
  return false;
}

void ToolCallParser::begin_call(std::string name, AnswerPieces& out) {
  out.calls.push_back({count_++, tool_call_id(syntax_), std::move(name), ""});
  raw_.clear();
  begun_ = true;
  space_.clear();
  depth_ = 0;
  in_string_ = escaped_ = started_ = false;
}

bool ToolCallParser::read_call(AnswerPieces& out) {
  if (syntax_ == ToolSyntax::mistral_args) return read_named(out);
  if (syntax_ == ToolSyntax::pythonic) return read_function(out);
  return read_header(out);
}

/// {"name": "f", "arguments":
bool ToolCallParser::read_header(AnswerPieces& out) {
  Reader reader(pending_);
  const auto wait = [&] {
    return reader.ended() && !final_ && pending_.size() <= kHeaderBytesMax ? false : give_up(out);
  };
  reader.skip_space();
  if (syntax_ == ToolSyntax::llama_json && reader.take("<|python_tag|>")) reader.skip_space();
  const bool lists = syntax_ == ToolSyntax::mistral_list || syntax_ == ToolSyntax::phi;
  if (lists && reader.take("[")) reader.skip_space();
  if (!reader.take("{")) return wait();
  for (const std::string_view word : {"\"name\"", ":"}) {
    reader.skip_space();
    if (!reader.take(word)) return wait();
  }
  reader.skip_space();
  std::optional<std::string> name = reader.take_string();
  if (!name || name->empty()) return wait();
  reader.skip_space();
  if (!reader.take(",")) return wait();
  reader.skip_space();
  if (!reader.take("\"arguments\"") && !reader.take("\"parameters\"")) return wait();
  reader.skip_space();
  if (!reader.take(":")) return wait();
  pending_.erase(0, reader.offset());
  begin_call(std::move(*name), out);
  state_ = State::arguments;
  return true;
}

/// name[ARGS] or name[CALL_ID]id[ARGS]
bool ToolCallParser::read_named(AnswerPieces& out) {
  const size_t end = pending_.find("[ARGS]");
  if (end == std::string::npos) {
    return !final_ && pending_.size() <= kHeaderBytesMax ? false : give_up(out);
  }
  std::string name = pending_.substr(0, std::min(end, pending_.find("[CALL_ID]")));
  name.erase(0, std::min(name.find_first_not_of(kSpaces), name.size()));
  if (name.empty()) return give_up(out);
  pending_.erase(0, end + std::string_view("[ARGS]").size());
  begin_call(std::move(name), out);
  state_ = State::arguments;
  return true;
}

/// name(
bool ToolCallParser::read_function(AnswerPieces& out) {
  Reader reader(pending_);
  reader.skip_space();
  const std::string name(reader.take_until("( \t\r\n[],\"'"));
  if (reader.ended()) return !final_ && pending_.size() <= kHeaderBytesMax ? false : give_up(out);
  if (name.empty() || !reader.take("(")) return give_up(out);
  pending_.erase(0, reader.offset());
  begin_call(name, out);
  state_ = State::keywords;
  return true;
}

/// One JSON value, piece by piece.
bool ToolCallParser::read_arguments(AnswerPieces& out) {
  std::string fragment;
  size_t i = 0;
  bool done = false;
  for (; i < pending_.size() && !done; ++i) {
    const char c = pending_[i];
    if (!started_ && kSpaces.find(c) != std::string_view::npos) continue;
    started_ = true;
    fragment += c;
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      done = --depth_ <= 0;
    }
  }
  pending_.erase(0, i);
  if (!fragment.empty()) out.calls.push_back({count_ - 1, "", "", std::move(fragment)});
  if (done) state_ = State::behind;
  return done;
}

/// Up to the ')' that is in no string and no bracket; then all of it at once.
bool ToolCallParser::read_keywords(AnswerPieces& out) {
  int depth = 0;
  char quote = '\0';
  for (size_t i = 0; i < pending_.size(); ++i) {
    const char c = pending_[i];
    if (quote != '\0') {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = '\0';
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if (c == ')' && depth == 0) {
      const std::optional<Json> arguments = PythonValues(std::string_view(pending_).substr(0, i + 1)).keywords();
      out.calls.push_back({count_ - 1, "", "", arguments ? to_text(*arguments) : "{}"});
      pending_.erase(0, i + 1);
      state_ = State::behind;
      return true;
    } else if (c == ')' || c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

/// What stands between calls and behind the last one.
bool ToolCallParser::read_behind() {
  begun_ = false;
  static constexpr std::string_view kClosings[] = {"</tool_call>", "<|/tool_call|>"};
  const size_t start = pending_.find_first_not_of(kSpaces);
  if (start == std::string::npos) {
    pending_.clear();
    return false;
  }
  pending_.erase(0, start);
  for (const std::string_view closing : kClosings) {
    if (pending_.starts_with(closing)) {
      pending_.erase(0, closing.size());
      state_ = State::text;
      return true;
    }
    if (!final_ && closing.starts_with(pending_)) return false;
  }
  const char c = pending_[0];
  const bool one_by_one = syntax_ == ToolSyntax::hermes || syntax_ == ToolSyntax::mistral_args;
  if (c == ',' && !one_by_one) {
    pending_.erase(0, 1);
    state_ = State::call;
  } else if (c == '}' || (c == ']' && !one_by_one)) {
    pending_.erase(0, 1);
    // The end of the list; what Mistral's templates add to a call is passed over.
    if (c == ']' && syntax_ != ToolSyntax::phi) state_ = State::text;
  } else {
    state_ = State::text;
  }
  return true;
}

}  // namespace kedge::serve
