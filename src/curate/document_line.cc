#include "curate/document_line.h"

#include "data/json_text.h"

namespace kedge::curate {

std::string document_line(const data::Document& document) {
  if (!document.line.empty()) return std::string(document.line) + "\n";
  std::string line = "{\"id\":" + document.id_json;
  if (!document.url.empty()) {
    line += ",\"url\":";
    data::append_json_string(line, document.url);
  }
  if (!document.title.empty()) {
    line += ",\"title\":";
    data::append_json_string(line, document.title);
  }
  line += ",\"text\":";
  data::append_json_string(line, document.text);
  return line + "}\n";
}

}  // namespace kedge::curate
