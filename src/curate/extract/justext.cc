// After Pomikalek, "Removing Boilerplate and Duplicate Content from Web Corpora" (2011), with the numbers of his
// program.
#include "curate/extract/justext.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/file.h"
#include "curate/code_text.h"
#include "curate/extract/empty_elements.h"
#include "curate/extract/html_tree.h"
#include "text/unicode/utf8.h"

namespace kedge::curate {

extern const std::string_view kEnglishStopWords;  // src/curate/data/stop_words_en.txt
extern const std::string_view kStopWords;         // src/curate/data/stop_words.txt

namespace {

constexpr size_t kLengthLow = 70;
constexpr size_t kLengthHigh = 200;
constexpr double kStopWordsLow = 0.30;
constexpr double kStopWordsHigh = 0.32;
constexpr double kLinksMax = 0.2;
constexpr size_t kHeadingDistanceMax = 200;

using Names = std::unordered_set<std::string_view>;

const Names kParagraphs = {"body", "blockquote", "caption",  "center",   "col",    "colgroup", "dd",     "div",
                           "dl",   "dt",         "fieldset", "form",     "legend", "optgroup", "option", "p",
                           "pre",  "table",      "td",       "textarea", "tfoot",  "th",       "thead",  "tr",
                           "ul",   "li",         "h1",       "h2",       "h3",     "h4",       "h5",     "h6"};
const Names kRemoved = {"head", "script", "style", "applet", "button", "input", "select", "textarea"};
const Names kUnwrapped = {"form", "iframe", "embed", "layer", "object", "param"};

enum class Verdict : uint8_t { bad, quite_short, near_good, good };

struct Paragraph {
  std::u32string text;
  size_t link_characters = 0;
  bool heading = false;
  bool any = false;
  Verdict context_free = Verdict::bad;
  Verdict verdict = Verdict::bad;
};

/// Runs of white space become one space, or one newline when they hold one.
std::u32string normalized(CodeView text) {
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    if (!is(text[i], kSpace)) {
      out += text[i++];
      continue;
    }
    bool newline = false;
    for (; i < text.size() && is(text[i], kSpace); ++i) newline = newline || text[i] == U'\n' || text[i] == U'\r';
    out += newline ? U'\n' : U' ';
  }
  return out;
}

class ParagraphMaker {
 public:
  std::vector<Paragraph> make(const HtmlNode* root) {
    walk(root, false);
    begin(false);
    return std::move(paragraphs_);
  }

 private:
  void begin(bool heading) {
    if (current_.any) {
      current_.text = normalized(strip(current_.text));
      paragraphs_.push_back(std::move(current_));
    }
    current_ = {};
    current_.heading = heading;
  }

  static bool is_heading(std::string_view name) {
    return name.size() == 2 && name[0] == 'h' && name[1] >= '0' && name[1] <= '9';
  }

  void walk(const HtmlNode* node, bool in_heading) {
    const std::string_view own = node_text(node);
    if (!own.empty()) return add(to_codes(own));
    const std::string_view name = element_name(node);
    if (name.empty() || kRemoved.contains(name)) return;
    if (kUnwrapped.contains(name)) {
      for (const HtmlNode* child : children_of(node)) walk(child, in_heading);
      return;
    }
    const bool heading = in_heading || is_heading(name);
    open(name, heading);
    for (const HtmlNode* child : children_of(node)) walk(child, heading);
    if (kParagraphs.contains(name)) begin(in_heading);
    if (name == "a") in_link_ = false;
  }

  void open(std::string_view name, bool heading) {
    if (kParagraphs.contains(name) || (name == "br" && after_break_)) return begin(heading);
    after_break_ = name == "br";
    if (after_break_) {
      current_.text += U' ';
      current_.any = true;
    }
    if (name == "a") in_link_ = true;
  }

  void add(CodeView content) {
    if (is_blank(content)) return;
    const std::u32string text = normalized(content);
    current_.text += text;
    current_.any = true;
    if (in_link_) current_.link_characters += text.size();
    after_break_ = false;
  }

  std::vector<Paragraph> paragraphs_;
  Paragraph current_;
  bool in_link_ = false;
  bool after_break_ = false;
};

Verdict judge(const Paragraph& paragraph, const StopWords& stop_words) {
  const size_t length = paragraph.text.size();
  const double links = length == 0 ? 0 : static_cast<double>(paragraph.link_characters) / static_cast<double>(length);
  if (links > kLinksMax) return Verdict::bad;
  if (contains(paragraph.text, U"\u00A9") || contains(paragraph.text, U"&copy")) return Verdict::bad;
  if (length < kLengthLow) return paragraph.link_characters > 0 ? Verdict::bad : Verdict::quite_short;
  const std::vector<CodeView> words = split_words(paragraph.text);
  const auto stops = std::count_if(words.begin(), words.end(),
                                   [&](CodeView word) { return stop_words.contains(to_utf8(to_lower(word))); });
  const double density = words.empty() ? 0 : static_cast<double>(stops) / static_cast<double>(words.size());
  if (density >= kStopWordsHigh) return length > kLengthHigh ? Verdict::good : Verdict::near_good;
  return density >= kStopWordsLow ? Verdict::near_good : Verdict::bad;
}

/// Each paragraph in the light of those around it.
class Context {
 public:
  explicit Context(std::vector<Paragraph>& paragraphs) : paragraphs_(paragraphs) {}

  void revise() {
    for (Paragraph& p : paragraphs_) p.verdict = p.context_free;
    const std::vector<bool> led = good_follows();
    for (size_t i = 0; i < paragraphs_.size(); ++i) {
      Paragraph& p = paragraphs_[i];
      if (p.heading && p.verdict == Verdict::quite_short && led[i]) p.verdict = Verdict::near_good;
    }
    revise_short();
    revise_near_good();
    const std::vector<bool> still_led = good_follows();
    for (size_t i = 0; i < paragraphs_.size(); ++i) {
      Paragraph& p = paragraphs_[i];
      const bool lost = p.heading && p.verdict == Verdict::bad && p.context_free != Verdict::bad;
      if (lost && still_led[i]) p.verdict = Verdict::good;
    }
  }

 private:
  enum class Side : uint8_t { before, after };

  void revise_short() {
    const auto before = neighbours(Side::before, true), after = neighbours(Side::after, true);
    const auto near_before = neighbours(Side::before, false), near_after = neighbours(Side::after, false);
    for (size_t i = 0; i < paragraphs_.size(); ++i) {
      if (paragraphs_[i].verdict != Verdict::quite_short) continue;
      bool good = before[i] == Verdict::good && after[i] == Verdict::good;
      if (before[i] != after[i]) {
        good = (before[i] == Verdict::bad && near_before[i] == Verdict::near_good) ||
               (after[i] == Verdict::bad && near_after[i] == Verdict::near_good);
      }
      paragraphs_[i].verdict = good ? Verdict::good : Verdict::bad;
    }
  }

  void revise_near_good() {
    const auto after = neighbours(Side::after, true);
    Verdict before = Verdict::bad;  // as it was revised
    for (size_t i = 0; i < paragraphs_.size(); ++i) {
      Verdict& verdict = paragraphs_[i].verdict;
      if (verdict == Verdict::near_good) {
        verdict = before == Verdict::bad && after[i] == Verdict::bad ? Verdict::bad : Verdict::good;
      }
      if (verdict != Verdict::quite_short) before = verdict;
    }
  }

  /// Of each paragraph: whether the next good one begins at most kHeadingDistanceMax characters behind it.
  [[nodiscard]] std::vector<bool> good_follows() const {
    std::vector<bool> follows(paragraphs_.size());
    size_t distance = kHeadingDistanceMax + 1;
    for (size_t i = paragraphs_.size(); i-- > 0;) {
      follows[i] = distance <= kHeadingDistanceMax;
      distance = paragraphs_[i].verdict == Verdict::good ? 0 : distance + paragraphs_[i].text.size();
    }
    return follows;
  }

  /// Of each paragraph: the verdict that ends the run of short ones on one side; bad at the page's ends.
  [[nodiscard]] std::vector<Verdict> neighbours(Side side, bool ignore_near_good) const {
    std::vector<Verdict> found(paragraphs_.size());
    Verdict seen = Verdict::bad;
    for (size_t k = 0; k < paragraphs_.size(); ++k) {
      const size_t i = side == Side::before ? k : paragraphs_.size() - 1 - k;
      found[i] = seen;
      const Verdict verdict = paragraphs_[i].verdict;
      const bool ignored = verdict == Verdict::quite_short || (verdict == Verdict::near_good && ignore_near_good);
      if (!ignored) seen = verdict;
    }
    return found;
  }

  std::vector<Paragraph>& paragraphs_;
};

}  // namespace

StopWords::StopWords(std::string_view list) {
  const std::u32string codes = to_codes(list);
  for (const CodeView line : split_lines(codes)) {
    const CodeView word = strip(line);
    if (!word.empty() && !line.starts_with(U"# ")) words_.insert(to_utf8(to_lower(word)));
  }
}

Result<std::shared_ptr<const StopWords>> StopWords::of(std::string_view language) {
  if (language == "en") return std::shared_ptr<const StopWords>(new StopWords(kEnglishStopWords));
  std::string known = "en";
  for (size_t begin = kStopWords.find("\n## "); begin != std::string_view::npos;) {
    const std::string_view rest = kStopWords.substr(begin + 4);
    const size_t end = std::min(rest.find('\n'), rest.size()), next = rest.find("\n## ");
    if (rest.substr(0, end) == language) {
      const std::string_view list = rest.substr(end, next == std::string_view::npos ? next : next - end);
      return std::shared_ptr<const StopWords>(new StopWords(list));
    }
    known += ", " + std::string(rest.substr(0, end));
    begin = next == std::string_view::npos ? next : begin + 4 + next;
  }
  return Error{ErrorKind::unsupported,
               fmt::format("--language: found '{}', expected one of the stop lists: {}; or ja, ko, th, zh, which need "
                           "none; --stop-list FILE takes any",
                           language, known)};
}

Result<std::shared_ptr<const StopWords>> StopWords::read(const std::filesystem::path& file) {
  constexpr size_t kBytesMax = size_t{1} << 20;
  KEDGE_ASSIGN(std::string bytes, read_file(file, kBytesMax));
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.erase(0, 3);
  if (!text::is_valid_utf8(bytes)) {
    return Error{ErrorKind::corrupt_data, file.string() + ": not UTF-8, expected one word a line"};
  }
  const std::shared_ptr<const StopWords> words(new StopWords(bytes));
  if (!words->words_.empty()) return words;
  return Error{ErrorKind::corrupt_data, file.string() + ": no words, expected one a line"};
}

bool is_without_spaces(std::string_view language) {
  return language == "ja" || language == "ko" || language == "th" || language == "zh";
}

std::string extract_justext(std::string_view html, const StopWords* stop_words) {
  const auto tree = HtmlTree::parse(with_empty_elements_closed(html));  // in any page, as the peer's parser does
  std::vector<Paragraph> paragraphs;
  if (tree != nullptr) {
    paragraphs = ParagraphMaker().make(tree->root());
  } else {
    paragraphs.emplace_back().text = normalized(strip(to_codes(text_without_tags(html))));
  }
  if (stop_words != nullptr) {
    for (Paragraph& paragraph : paragraphs) paragraph.context_free = judge(paragraph, *stop_words);
    Context(paragraphs).revise();
  }
  std::string text;
  for (const Paragraph& paragraph : paragraphs) {
    if (stop_words != nullptr && paragraph.verdict != Verdict::good) continue;
    if (!text.empty()) text += '\n';
    append_utf8(text, paragraph.text);
  }
  return text;
}

}  // namespace kedge::curate
