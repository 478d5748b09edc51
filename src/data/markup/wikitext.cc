#include "data/markup/wikitext.h"

#include <algorithm>
#include <array>
#include <map>

#include "data/markup/entities.h"
#include "data/trim.h"

namespace kedge::data {
namespace {

constexpr size_t kDepthMax = 64;
constexpr size_t kTagBytesMax = 2000;
constexpr size_t kNone = std::string_view::npos;

// Contents that are no text: NeMo removes ref and table, mwparserfromhell's strip_code the others.
constexpr std::array<std::string_view, 13> kHiddenTags = {"ref",      "table", "categorytree", "gallery", "graph",
                                                          "imagemap", "math",  "inputbox",     "score",   "section",
                                                          "timeline", "style", "templatedata"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool has_prefix(std::string_view title, const std::vector<std::string>& names,
                std::initializer_list<std::string_view> english) {
  const size_t colon = title.find(':');
  if (colon == kNone) return false;
  const std::string prefix = lowered(trimmed(title.substr(0, colon)));
  const auto same = [&](std::string_view name) { return prefix == lowered(name); };
  return std::ranges::any_of(english, same) || std::ranges::any_of(names, same);
}

/// Where what opens is closed: templates, links and tables, each once, in one pass with a stack.
class Brackets {
 public:
  explicit Brackets(std::string_view text) : text_(text) {
    for (size_t at = 0; at < text.size();) at += step(at);
  }
  /// Of the opening mark at `at`: where its closing one begins; kNone.
  [[nodiscard]] size_t closing(size_t at) const {
    const auto found = closing_.find(at);
    return found == closing_.end() ? kNone : found->second;
  }

 private:
  struct Open {
    char kind;
    size_t at;
  };

  size_t step(size_t at) {
    const std::string_view rest = text_.substr(at);
    if (rest.starts_with("{|") && at_line_start(at)) return open('|', at);
    if (rest.starts_with("{{{") && !rest.starts_with("{{{{")) return open('3', at) + 1;
    if (rest.starts_with("{{")) return open('{', at);
    if (rest.starts_with("[[")) return open('[', at);
    if (rest.starts_with("|}") && at_line_start(at) && !rest.starts_with("|}}")) return close('|', at);
    if (rest.starts_with("}}}") && !stack_.empty() && stack_.back().kind == '3') return close('3', at) + 1;
    if (rest.starts_with("}}")) return close('{', at);
    if (rest.starts_with("]]")) return close('[', at);
    return 1;
  }

  /// Whether only space and colons stand before it in its line. REQUIRES: called with rising positions.
  [[nodiscard]] bool at_line_start(size_t at) {
    const auto is_indent = [&](size_t i) { return text_[i] == ' ' || text_[i] == ':' || text_[i] == '\t'; };
    for (; looked_ < at; ++looked_) indent_ = text_[looked_] == '\n' || (indent_ && is_indent(looked_));
    return indent_;
  }

  size_t open(char kind, size_t at) {
    ++count_[static_cast<unsigned char>(kind)];
    stack_.push_back({kind, at});
    return 2;
  }

  size_t close(char kind, size_t at) {
    if (count_[static_cast<unsigned char>(kind)] == 0) return 2;
    while (stack_.back().kind != kind) pop();  // what is not closed inside is literal
    closing_[stack_.back().at] = at;
    pop();
    return 2;
  }

  void pop() {
    --count_[static_cast<unsigned char>(stack_.back().kind)];
    stack_.pop_back();
  }

  std::string_view text_;
  size_t looked_ = 0;
  bool indent_ = true;  // up to looked_
  std::vector<Open> stack_;
  std::array<size_t, 256> count_{};
  std::map<size_t, size_t> closing_;
};

class Stripper {
 public:
  Stripper(std::string_view text, const WikiNames& names)
      : text_(text), lowered_(lowered(text)), names_(names), brackets_(text) {}

  std::string run() {
    render(0, text_.size(), 0);
    end_section();
    return std::move(out_);
  }

 private:
  void render(size_t at, size_t end, size_t depth) {
    if (depth > kDepthMax) return;
    while (at < end) {
      if (at == 0 || text_[at - 1] == '\n') at = begin_line(at, end, depth);
      if (at >= end) return;
      const size_t behind = special(at, end, depth);
      if (behind == at) {
        section_ += text_[at++];
      } else {
        at = behind;
      }
    }
  }

  /// Marks of lists, rules and headings; behind them.
  size_t begin_line(size_t at, size_t end, size_t depth) {
    if (text_.substr(at).starts_with("----")) {
      while (at < end && text_[at] == '-') ++at;
      return at;
    }
    if (text_[at] == '=') return heading(at, end, depth);
    if (brackets_.closing(at) != kNone) return at;
    while (at < end && std::string_view("*#:;").find(text_[at]) != kNone) ++at;
    return at;
  }

  size_t heading(size_t at, size_t end, size_t depth) {
    const size_t line_end = std::min(std::min(text_.find('\n', at), text_.size()), end);
    const std::string_view line = trimmed(text_.substr(at, line_end - at));
    const size_t marks = std::min<size_t>(line.find_first_not_of('='), 6);
    const size_t last = line.find_last_not_of('=');
    if (last == kNone || line.size() - 1 - last == 0) return at;
    const size_t level = std::min(marks, line.size() - 1 - last);
    end_section();
    const size_t title = at + level;
    size_t title_end = at + line.size() - level;
    while (title_end > title && text_[title_end - 1] == ' ') --title_end;
    render(title + std::min(text_.substr(title).find_first_not_of(' '), title_end - title), title_end, depth + 1);
    return line_end;
  }

  /// Behind what begins at `at`, which was written out or left away; `at` where nothing special does.
  size_t special(size_t at, size_t end, size_t depth) {
    switch (text_[at]) {
      case '{':
        return hidden_bracket(at, end, depth);
      case '[':
        return link(at, end, depth);
      case '<':
        return tag(at, end);
      case '\'':
        return quotes(at);
      case '&':
        return at + append_reference(section_, text_.substr(at, end - at));
      default:
        return at;
    }
  }

  /// Templates and tables; a template's own parameter is its default.
  size_t hidden_bracket(size_t at, size_t end, size_t depth) {
    const size_t close = brackets_.closing(at);
    if (close == kNone || close + 2 > end) return at;
    const std::string_view rest = text_.substr(at);
    if (!rest.starts_with("{{{") || rest.starts_with("{{{{")) return close + 2;
    const size_t bar = text_.substr(at, close - at).find('|');
    if (bar != kNone) render(at + bar + 1, close, depth + 1);
    return std::min(close + 3, end);
  }

  size_t link(size_t at, size_t end, size_t depth) {
    const size_t close = brackets_.closing(at);
    if (close == kNone || close + 2 > end) return external_link(at, end, depth);
    const size_t begin = at + 2;
    const std::string_view inside = text_.substr(begin, close - begin);
    const size_t bar = begin + std::min(inside.find('|'), inside.size());
    const std::string_view title = trimmed(text_.substr(begin, bar - begin));
    if (has_prefix(title, names_.media, {"File", "Image", "Media"})) return close + 2;
    if (has_prefix(title, names_.category, {"Category"})) {
      section_ += trimmed(title.substr(title.find(':') + 1));
    } else if (bar < close) {
      render(bar + 1, close, depth + 1);
    } else {
      section_ += title;
    }
    return close + 2;
  }

  /// [address text] is its text, [address] nothing.
  size_t external_link(size_t at, size_t end, size_t depth) {
    const std::string_view rest = std::string_view(lowered_).substr(at + 1, end - at - 1);
    const bool address = rest.starts_with("http://") || rest.starts_with("https://") || rest.starts_with("//") ||
                         rest.starts_with("ftp://") || rest.starts_with("mailto:");
    if (!address) return at;
    const size_t close = link_end(at + 1) - (at + 1);
    if (close >= rest.size() || rest[close] != ']') return at;
    const size_t space = rest.substr(0, close).find(' ');
    if (space != kNone) render(at + 1 + space + 1, at + 1 + close, depth + 1);
    return at + 1 + close + 1;
  }

  /// The next ']' or the line's end. REQUIRES: called with rising positions.
  size_t link_end(size_t at) {
    if (link_end_ < at) link_end_ = std::min(text_.find_first_of("]\n", at), text_.size());
    return link_end_;
  }

  size_t tag(size_t at, size_t end) {
    const std::string_view rest = std::string_view(lowered_).substr(at, end - at);
    if (rest.starts_with("<!--")) return std::min(behind("-->", at), end);
    const size_t name_at = rest.starts_with("</") ? 2 : 1;
    if (rest.size() <= name_at || !is_letter(rest[name_at])) return at;
    size_t name_end = name_at;
    while (name_end < rest.size() && is_letter(rest[name_end])) ++name_end;
    const size_t close = rest.substr(0, kTagBytesMax).find_first_of("<>", 1);
    if (close == kNone || rest[close] == '<') return at;
    const std::string_view name = rest.substr(name_at, name_end - name_at);
    if (rest.starts_with("<nowiki>")) {
      const size_t last = behind("</nowiki>", at);
      if (last <= end) section_ += text_.substr(at + 8, last - at - 17);
      return last <= end ? last : at + close + 1;
    }
    const bool hides =
        name_at == 1 && rest[close - 1] != '/' && std::ranges::find(kHiddenTags, name) != kHiddenTags.end();
    if (!hides) return at + close + 1;
    const size_t last = behind("</" + std::string(name), at);
    if (last > end) return at + close + 1;
    return std::min(std::min(text_.find('>', last), text_.size() - 1) + 1, end);
  }

  /// Behind the next `mark`; beyond the text where there is none. Each is looked for once. REQUIRES: called with rising
  /// positions.
  size_t behind(const std::string& mark, size_t at) {
    const auto [known, is_new] = marks_.emplace(mark, 0);
    if (is_new || known->second < at) known->second = std::min(lowered_.find(mark, at), lowered_.size() + 1);
    return known->second > lowered_.size() ? text_.size() + 1 : known->second + mark.size();
  }

  size_t quotes(size_t at) {
    size_t count = 0;
    while (at + count < text_.size() && text_[at + count] == '\'') ++count;
    if (count == 1) return at;
    if (count == 4) section_ += '\'';
    return at + count;
  }

  void end_section() {
    std::string_view text = trimmed(section_);
    if (!out_.empty() && !text.empty()) out_ += "\n\n";
    size_t newlines = 0;
    for (const char c : text) {
      newlines = c == '\n' ? newlines + 1 : 0;
      if (newlines <= 2) out_ += c;
    }
    section_.clear();
  }

  std::string_view text_;
  std::string lowered_;
  const WikiNames& names_;
  Brackets brackets_;
  std::map<std::string, size_t> marks_;  // where the next one of each stands
  size_t link_end_ = 0;                  // likewise
  std::string section_, out_;
};

}  // namespace

std::string plain_text(std::string_view wikitext, const WikiNames& names) {
  return Stripper(wikitext, names).run();
}

}  // namespace kedge::data
