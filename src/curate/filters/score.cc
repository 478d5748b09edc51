#include "curate/filters/score.h"

#include "data/json_text.h"

namespace kedge::curate {

void append_key(std::string& line, std::string_view name) {
  if (!line.empty() && line.back() != '{' && line.back() != '[') line += ',';
  line += '"';
  line += name;
  line += "\":";
}

void append_bool(std::string& line, bool value) {
  line += value ? "true" : "false";
}

void append_optional(std::string& line, const std::optional<double>& value) {
  if (value) {
    data::append_json_number(line, *value);
  } else {
    line += "null";
  }
}

void append_score(std::string& line, std::string_view name, const Score& score) {
  append_key(line, name);
  line += '[';
  append_optional(line, score.value);
  line += ',';
  append_bool(line, score.keep);
  line += ']';
}

void open_line(std::string& line, const std::string& id_json) {
  line += "{\"id\":";
  line += id_json;
}

}  // namespace kedge::curate
