// Elements whose kind, role or name says that they surround the content are left out, unless they hold so much of the
// page's text that the name must be wrong (a menu that is never closed holds everything after it).
#include "curate/extract/main_text.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "curate/extract/empty_elements.h"
#include "curate/extract/html_tree.h"
#include "curate/extract/markdown.h"

namespace kedge::curate {
namespace {

using Names = std::unordered_set<std::string_view>;

// Never text.
const Names kSilent = {"script", "style",  "noscript", "template", "head",   "iframe", "svg",   "object",
                       "canvas", "select", "textarea", "button",   "option", "audio",  "video", "math"};
// Around the content by what they are.
const Names kAround = {"nav", "footer", "aside", "menu", "dialog"};
const Names kAroundRoles = {"navigation", "banner",      "contentinfo", "complementary", "search", "dialog",
                            "alert",      "alertdialog", "menu",        "menubar",       "toolbar"};
// Around the content by what they are called.
const Names kAroundWords = {
    "nav",         "navbar",          "navigation", "menu",       "sidebar", "footer",     "foot",
    "breadcrumb",  "breadcrumbs",     "cookie",     "cookies",    "consent", "gdpr",       "banner",
    "popup",       "modal",           "overlay",    "share",      "sharing", "social",     "related",
    "recommended", "recommendations", "comments",   "comment",    "disqus",  "ad",         "ads",
    "advert",      "advertisement",   "sponsor",    "sponsored",  "promo",   "newsletter", "subscribe",
    "signup",      "login",           "copyright",  "pagination", "pager",   "skip",       "widget",
    "toolbar",     "masthead",        "topbar"};
const Names kContentWords = {"content", "main", "article", "post", "entry", "body", "story", "text"};
const Names kBlocks = {"address", "article", "aside",    "blockquote", "body",    "center", "dd",    "details", "div",
                       "dl",      "dt",      "fieldset", "figcaption", "figure",  "footer", "form",  "h1",      "h2",
                       "h3",      "h4",      "h5",       "h6",         "header",  "hr",     "li",    "main",    "nav",
                       "ol",      "p",       "pre",      "section",    "summary", "table",  "tbody", "thead",   "tfoot",
                       "tr",      "ul",      "caption",  "br",         "legend"};

constexpr double kMostOfPage = 0.4;  // what holds more is not beside the content
constexpr double kLinkList = 0.8;    // of an element's text that lies in links

/// What an element holds.
struct Weight {
  size_t text = 0;   // characters without white space
  size_t links = 0;  // of them in links
  size_t anchors = 0;
  bool heading = false;  // an h1
};

class Page {
 public:
  Page(const HtmlTree& tree, ExtractionMode mode, bool markdown) : mode_(mode), markdown_(markdown) {
    body_ = tree.body() != nullptr ? tree.body() : tree.root();
    total_ = weigh(body_, false);
  }

  std::string text() {
    const HtmlNode* root = mode_ == ExtractionMode::precision ? content_root() : body_;
    walk(root, {});
    finish_line();
    if (out_.empty() && root != body_) {
      walk(body_, {});
      finish_line();
    }
    if (out_.empty()) {  // everything was left out: rather all than nothing
      keep_all_ = true;
      walk(body_, {});
      finish_line();
    }
    while (!out_.empty() && out_.back() == '\n') out_.pop_back();  // behind a last block
    return std::move(out_);
  }

 private:
  struct State {
    bool preformatted = false;
    bool suspect = false;  // within an element whose name says "around", kept because it is so large
  };

  Weight weigh(const HtmlNode* node, bool in_link) {
    Weight weight;
    const std::string_view name = element_name(node);
    if (kSilent.contains(name)) return weights_[node] = weight;
    for (const char c : node_text(node))
      weight.text += is_html_space(c) || (static_cast<unsigned char>(c) & 0xC0) == 0x80 ? 0 : 1;
    if (in_link) weight.links = weight.text;
    if (name == "a") ++weight.anchors;
    if (name == "h1") weight.heading = true;
    for (const HtmlNode* each : children_of(node)) {
      const Weight child = weigh(each, in_link || name == "a");
      weight.text += child.text;
      weight.links += child.links;
      weight.anchors += child.anchors;
      weight.heading = weight.heading || child.heading;
    }
    if (name == "a") weight.links = weight.text;
    return weights_[node] = weight;
  }

  /// Words of class and id: "postBody nav-bar" -> post, body, nav, bar.
  static bool named(const HtmlNode* node, const Names& names) {
    for (const char* key : {"class", "id"}) {
      const std::string_view value = attribute(node, key);
      std::string word;
      for (size_t i = 0; i <= value.size(); ++i) {
        const char c = i < value.size() ? value[i] : ' ';
        const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
        const bool hump = letter && i > 0 && std::isupper(static_cast<unsigned char>(c)) != 0 &&
                          std::islower(static_cast<unsigned char>(value[i - 1])) != 0;
        if ((!letter || hump) && !word.empty()) {
          if (names.contains(word)) return true;
          word.clear();
        }
        if (letter) word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
    }
    return false;
  }

  static bool is_hidden(const HtmlNode* node) {
    if (has_attribute(node, "hidden")) return true;
    const std::string_view style = attribute(node, "style");
    return style.find("display:none") != std::string_view::npos ||
           style.find("display: none") != std::string_view::npos;
  }

  [[nodiscard]] bool is_around(const HtmlNode* node, std::string_view name) const {
    if (kAround.contains(name) || kAroundRoles.contains(attribute(node, "role"))) return true;
    if (mode_ == ExtractionMode::recall) return false;
    if (name == "header") {
      // A site's head; one that has the page's title is the article's.
      const Weight& weight = weights_.at(node);
      return !weight.heading || 2 * weight.links > weight.text;
    }
    return is_hidden(node) || named(node, kAroundWords);
  }

  [[nodiscard]] bool is_most(const HtmlNode* node) const {
    return static_cast<double>(weights_.at(node).text) > kMostOfPage * static_cast<double>(total_.text);
  }

  [[nodiscard]] bool is_link_list(const HtmlNode* node) const {
    const Weight& weight = weights_.at(node);
    return weight.anchors >= 3 && static_cast<double>(weight.links) >= kLinkList * static_cast<double>(weight.text);
  }

  /// The main element or the one article, if it holds most of what is left of the page.
  const HtmlNode* content_root() const {
    std::vector<const HtmlNode*> mains, articles;
    collect(body_, mains, articles);
    const HtmlNode* found = mains.size() == 1 ? mains[0] : articles.size() == 1 ? articles[0] : nullptr;
    return found != nullptr && is_most(found) ? found : body_;
  }

  static void collect(const HtmlNode* node, std::vector<const HtmlNode*>& mains,
                      std::vector<const HtmlNode*>& articles) {
    const std::string_view name = element_name(node);
    if (name == "main" || attribute(node, "role") == "main") mains.push_back(node);
    if (name == "article") articles.push_back(node);
    for (const HtmlNode* child : children_of(node)) collect(child, mains, articles);
  }

  void walk(const HtmlNode* node, State state) {
    const std::string_view own = node_text(node);
    if (!own.empty()) return add(own, state.preformatted);
    const std::string_view name = element_name(node);
    if (name.empty() || kSilent.contains(name)) return;
    if (!keep_all_ && node != body_) {
      if (is_around(node, name)) {
        if (!is_most(node) || is_link_list(node)) return;
        state.suspect = true;
      } else if (named(node, kContentWords)) {
        state.suspect = false;
      }
      if (state.suspect && is_link_list(node)) return;
    }
    if (markdown_ && add_block(node, name)) return;
    state.preformatted = state.preformatted || name == "pre";
    const bool block = kBlocks.contains(name);
    if (block) finish_line();
    if ((name == "td" || name == "th") && !line_.empty()) line_ += '\t';
    for (const HtmlNode* child : children_of(node)) walk(child, state);
    if (block) finish_line();
  }

  void add(std::string_view text, bool preformatted) {
    for (const char c : text) {
      if (preformatted && c == '\n') {
        finish_line(true);
      } else if (preformatted && c == ' ') {
        line_ += ' ';
      } else if (is_html_space(c)) {
        if (!line_.empty() && !is_html_space(line_.back())) line_ += ' ';
      } else {
        line_ += c;
      }
    }
  }

  /// Code and tables, a blank line before and behind them. False: it is neither.
  bool add_block(const HtmlNode* node, std::string_view name) {
    std::optional<std::string> block;
    if (name == "pre") block = fenced_code(node);
    if (name == "table") block = markdown_table(node);
    if (!block) return false;
    finish_line();
    if (block->empty()) return true;
    if (!out_.empty()) out_ += out_.back() == '\n' ? "\n" : "\n\n";
    out_ += *block + "\n";
    return true;
  }

  void finish_line(bool preformatted = false) {
    while (!line_.empty() && is_html_space(line_.back())) line_.pop_back();
    if (!line_.empty() || (preformatted && !out_.empty() && !out_.ends_with("\n\n"))) {
      if (!out_.empty()) out_ += '\n';
      out_ += line_;
    }
    line_.clear();
  }

  ExtractionMode mode_;
  bool markdown_;
  const HtmlNode* body_ = nullptr;
  std::unordered_map<const HtmlNode*, Weight> weights_;
  Weight total_;
  bool keep_all_ = false;
  std::string out_, line_;
};

}  // namespace

std::string extract_main_text(std::string_view html, ExtractionMode mode, bool markdown) {
  const auto tree = is_xhtml(html) ? HtmlTree::parse(with_empty_elements_closed(html)) : HtmlTree::parse(html);
  if (tree == nullptr) return text_without_tags(html);
  return Page(*tree, mode, markdown).text();
}

}  // namespace kedge::curate
