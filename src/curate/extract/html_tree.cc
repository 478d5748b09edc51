#include "curate/extract/html_tree.h"

#include <lexbor/dom/interfaces/character_data.h>
#include <lexbor/html/html.h>

#include <algorithm>
#include <utility>

namespace kedge::curate {
namespace {

constexpr size_t kLookBytes = 1024;                     // of the page, parsed between two looks at what became of it
constexpr size_t kTreeBytes = size_t{64} << 20;         // of nodes, and
constexpr size_t kTreeBytesPerByte = 64;                // as many a byte of the page
constexpr size_t kKeptDocumentBytes = size_t{1} << 20;  // of nodes: a larger document's memory is given back

/// Memory of nodes, in bytes.
size_t bytes_of(const lxb_html_document& document) {
  const lexbor_mem_t& memory = *document.dom_document.mraw->mem;
  return memory.chunk_length * memory.chunk_min_size;
}

bool has_many_attributes(const lxb_html_token_t* token) {
  size_t count = 0;
  const lxb_html_token_attr_t* attribute = token == nullptr ? nullptr : token->attr_first;
  for (; attribute != nullptr && count <= kAttributesMax; attribute = attribute->next) ++count;
  return count > kAttributesMax;
}

bool is_within_limits(const lxb_html_document& document, size_t html_bytes) {
  const auto* parser = static_cast<const lxb_html_parser_t*>(document.dom_document.parser);
  return lexbor_array_length(parser->tree->open_elements) <= kNestingMax &&
         lexbor_array_length(parser->tree->active_formatting) <= kOpenFormattingMax &&
         bytes_of(document) <= kTreeBytes + kTreeBytesPerByte * html_bytes && !has_many_attributes(parser->tkz->token);
}

bool parse_into(lxb_html_document& document, std::string_view html) {
  if (lxb_html_document_parse_chunk_begin(&document) != LXB_STATUS_OK) return false;
  for (size_t at = 0; at < html.size(); at += kLookBytes) {
    const std::string_view part = html.substr(at, kLookBytes);
    const auto* bytes = reinterpret_cast<const lxb_char_t*>(part.data());
    if (lxb_html_document_parse_chunk(&document, bytes, part.size()) != LXB_STATUS_OK) return false;
    if (!is_within_limits(document, html.size())) return false;
  }
  return lxb_html_document_parse_chunk_end(&document) == LXB_STATUS_OK;
}

/// A thread's last document, cleared: making one takes as long as parsing a small page.
class SpareDocument {
 public:
  SpareDocument() = default;
  SpareDocument(const SpareDocument&) = delete;
  SpareDocument& operator=(const SpareDocument&) = delete;
  ~SpareDocument() { lxb_html_document_destroy(document_); }

  lxb_html_document* take() {
    lxb_html_document* taken = std::exchange(document_, nullptr);
    return taken != nullptr ? taken : lxb_html_document_create();
  }
  void give(lxb_html_document* document) {
    if (document_ != nullptr || bytes_of(*document) > kKeptDocumentBytes) {
      lxb_html_document_destroy(document);
      return;
    }
    lxb_html_document_clean(document);
    document_ = document;
  }

 private:
  lxb_html_document* document_ = nullptr;
};

thread_local SpareDocument spare_document;

bool is_deeper(const HtmlNode* node, size_t limit) {
  if (limit == 0) return true;
  for (const HtmlNode* child : children_of(node)) {
    if (is_deeper(child, limit - 1)) return true;
  }
  return false;
}

const lxb_char_t* as_lexbor(std::string_view text) {
  return reinterpret_cast<const lxb_char_t*>(text.data());
}

std::string_view as_text(const lxb_char_t* bytes, size_t size) {
  return bytes == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char*>(bytes), size);
}

/// lexbor's look-ups take what they don't change as if they did.
lxb_dom_element_t* element_of(const HtmlNode* node) {
  return node->type == LXB_DOM_NODE_TYPE_ELEMENT ? lxb_dom_interface_element(const_cast<HtmlNode*>(node)) : nullptr;
}

}  // namespace

std::unique_ptr<HtmlTree> HtmlTree::parse(std::string_view html) {
  lxb_html_document* document = spare_document.take();
  if (document == nullptr) return nullptr;
  if (!parse_into(*document, html)) {
    lxb_html_document_destroy(document);  // half a page
    return nullptr;
  }
  std::unique_ptr<HtmlTree> tree(new HtmlTree(document));
  return tree->root() == nullptr || is_deeper(tree->root(), kNestingMax) ? nullptr : std::move(tree);
}

HtmlTree::~HtmlTree() {
  spare_document.give(document_);
}

const HtmlNode* HtmlTree::root() const {
  return lxb_dom_interface_node(lxb_dom_document_element(&document_->dom_document));
}

const HtmlNode* HtmlTree::body() const {
  for (const HtmlNode* child : children_of(root())) {
    if (element_name(child) == "body") return child;
  }
  return nullptr;
}

Children::Iterator& Children::Iterator::operator++() {
  node_ = node_->next;
  return *this;
}

Children children_of(const HtmlNode* node) {
  if (node->local_name == LXB_TAG_TEMPLATE && node->ns == LXB_NS_HTML) {
    const auto* content = lxb_html_interface_template(const_cast<HtmlNode*>(node))->content;
    if (content != nullptr) return Children(content->node.first_child);
  }
  return Children(node->first_child);
}

std::string_view element_name(const HtmlNode* node) {
  lxb_dom_element_t* element = element_of(node);
  if (element == nullptr) return "";
  size_t size = 0;
  const lxb_char_t* name = lxb_dom_element_local_name(element, &size);
  return as_text(name, size);
}

bool has_attribute(const HtmlNode* node, std::string_view name) {
  lxb_dom_element_t* element = element_of(node);
  return element != nullptr && lxb_dom_element_has_attribute(element, as_lexbor(name), name.size());
}

std::string_view attribute(const HtmlNode* node, std::string_view name) {
  lxb_dom_element_t* element = element_of(node);
  if (element == nullptr || element->first_attr == nullptr) return "";
  size_t size = 0;
  const lxb_char_t* value = lxb_dom_element_get_attribute(element, as_lexbor(name), name.size(), &size);
  return as_text(value, size);
}

std::string_view node_text(const HtmlNode* node) {
  if (node->type != LXB_DOM_NODE_TYPE_TEXT && node->type != LXB_DOM_NODE_TYPE_CDATA_SECTION) return "";
  const lexbor_str_t& text = reinterpret_cast<const lxb_dom_character_data_t*>(node)->data;
  return as_text(text.data, text.length);
}

std::string text_without_tags(std::string_view html) {
  std::string text;
  while (!html.empty()) {
    const size_t open = std::min(html.find('<'), html.size());
    text.append(html.substr(0, open));
    html.remove_prefix(open);
    if (html.empty()) break;
    const size_t close = html.find('>');
    const bool raw = html.starts_with("<script") || html.starts_with("<style");
    const size_t end = raw ? html.find("</", 1) : close == std::string_view::npos ? close : close + 1;
    html.remove_prefix(std::min(end, html.size()));
    if (!text.empty() && !is_html_space(text.back())) text += ' ';
  }
  return text;
}

}  // namespace kedge::curate
