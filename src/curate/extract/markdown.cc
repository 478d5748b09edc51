#include "curate/extract/markdown.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace kedge::curate {
namespace {

using Row = std::vector<std::string>;

// Within a cell these say that the table lays out a page.
const std::unordered_set<std::string_view> kNoCells = {"table", "p",    "div",     "ul",      "ol", "dl",
                                                       "pre",   "form", "h1",      "h2",      "h3", "h4",
                                                       "h5",    "h6",   "section", "article", "nav"};
const std::unordered_set<std::string_view> kHidden = {"script", "style", "template", "noscript"};

template <typename Function>
void for_each_child(const HtmlNode* node, Function function) {
  for (const HtmlNode* child : children_of(node)) function(child);
}

void append_text(const HtmlNode* node, std::string& out) {
  const std::string_view name = element_name(node);
  if (kHidden.contains(name)) return;
  if (name == "br") out += '\n';
  out += node_text(node);
  for_each_child(node, [&](const HtmlNode* child) { append_text(child, out); });
}

bool holds_blocks(const HtmlNode* node) {
  bool found = false;
  for_each_child(node, [&](const HtmlNode* child) {
    found = found || kNoCells.contains(element_name(child)) || holds_blocks(child);
  });
  return found;
}

std::string cell_text(const HtmlNode* cell) {
  std::string text, out;
  append_text(cell, text);
  for (const char c : text) {
    if (is_html_space(c)) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      if (c == '|') out += '\\';
      out += c;
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// False: a cell holds more than text.
bool collect_rows(const HtmlNode* node, std::vector<Row>& rows) {
  bool plain = true;
  for_each_child(node, [&](const HtmlNode* child) {
    const std::string_view name = element_name(child);
    if (name == "tr") rows.emplace_back();
    if (name == "td" || name == "th") {
      plain = plain && !rows.empty() && !holds_blocks(child);
      if (plain) rows.back().push_back(cell_text(child));
    } else {
      plain = plain && collect_rows(child, rows);
    }
  });
  return plain;
}

void append_row(const Row& row, size_t columns, std::string& out) {
  out += '|';
  for (size_t i = 0; i < columns; ++i) out += " " + (i < row.size() ? row[i] : "") + " |";
}

/// "language-c" or "lang-c" of a class, on the element or on the one within.
std::string language_of(const HtmlNode* pre) {
  std::string language;
  const auto look = [&](const HtmlNode* node) {
    std::string_view classes = attribute(node, "class");
    for (const std::string_view mark : {"language-", "lang-"}) {
      const size_t at = classes.find(mark);
      if (at == std::string_view::npos || !language.empty()) continue;
      classes.remove_prefix(at + mark.size());
      for (const char c : classes) {
        if (is_html_space(c) || c == '`') break;
        language += c;
      }
    }
  };
  look(pre);
  for_each_child(pre, look);
  return language;
}

}  // namespace

std::string fenced_code(const HtmlNode* pre) {
  std::string code;
  append_text(pre, code);
  while (!code.empty() && is_html_space(code.back())) code.pop_back();
  if (code.starts_with('\n')) code.erase(0, 1);
  if (code.empty()) return "";
  size_t run = 0, longest = 0;
  for (const char c : code) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(std::max<size_t>(3, longest + 1), '`');
  return fence + language_of(pre) + "\n" + code + "\n" + fence;
}

std::optional<std::string> markdown_table(const HtmlNode* table) {
  std::vector<Row> rows;
  if (!collect_rows(table, rows)) return std::nullopt;
  std::erase_if(rows, [](const Row& row) { return row.empty(); });
  size_t columns = 0;
  for (const Row& row : rows) columns = std::max(columns, row.size());
  if (rows.size() < 2 || columns < 2) return std::nullopt;
  std::string out;
  append_row(rows.front(), columns, out);
  out += "\n|";
  for (size_t i = 0; i < columns; ++i) out += " --- |";
  for (size_t i = 1; i < rows.size(); ++i) {
    out += '\n';
    append_row(rows[i], columns, out);
  }
  return out;
}

}  // namespace kedge::curate
