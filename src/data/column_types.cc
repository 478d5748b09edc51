#include "data/column_types.h"

#include <algorithm>

#include "data/json_text.h"

namespace kedge::data {
namespace {

constexpr size_t kDepthMax = 16;
constexpr size_t kMembersMax = 256;

ColumnKind kind_of(const simdjson::dom::element& value) {
  using simdjson::dom::element_type;
  switch (value.type()) {
    case element_type::NULL_VALUE:
      return ColumnKind::null;
    case element_type::BOOL:
      return ColumnKind::boolean;
    case element_type::INT64:
      return ColumnKind::whole;
    case element_type::DOUBLE:
      return ColumnKind::number;
    case element_type::STRING:
      return ColumnKind::text;
    case element_type::ARRAY:
      return ColumnKind::list;
    case element_type::OBJECT:
      return ColumnKind::object;
    case element_type::UINT64:
      break;
  }
  return ColumnKind::json;  // beyond 64 bits with a sign
}

void make_json(ColumnType& type) {
  type = {ColumnKind::json, {}, {}};
}

bool is_number(ColumnKind kind) {
  return kind == ColumnKind::whole || kind == ColumnKind::number;
}

void widen(ColumnType& type, const simdjson::dom::element& value, size_t depth);

void widen_members(ColumnType& type, const simdjson::dom::object& object, size_t depth) {
  for (const auto& [key, value] : object) {
    auto found = static_cast<size_t>(std::ranges::find(type.names, key) - type.names.begin());
    if (found == type.names.size()) {
      if (found == kMembersMax) return make_json(type);
      type.names.emplace_back(key);
      type.children.emplace_back();
    }
    widen(type.children[found], value, depth + 1);
  }
}

void widen(ColumnType& type, const simdjson::dom::element& value, size_t depth) {
  const ColumnKind kind = kind_of(value);
  if (kind == ColumnKind::null || type.kind == ColumnKind::json) return;
  if (type.kind == ColumnKind::null) type.kind = kind;
  if (is_number(type.kind) && is_number(kind)) {
    if (type.kind != kind) type.kind = ColumnKind::number;
    return;
  }
  const bool nested = kind == ColumnKind::list || kind == ColumnKind::object;
  if (type.kind != kind || (nested && depth >= kDepthMax)) return make_json(type);
  if (kind == ColumnKind::object) return widen_members(type, simdjson::dom::object(value), depth);
  if (kind != ColumnKind::list) return;
  if (type.children.empty()) type.children.emplace_back();
  for (const auto item : simdjson::dom::array(value)) widen(type.children.front(), item, depth + 1);
}

void append_members(std::string& out, const ColumnType& type, const simdjson::dom::object& object) {
  out += '{';
  std::vector<bool> seen(type.names.size());
  for (const auto& [key, value] : object) {
    const auto found = static_cast<size_t>(std::ranges::find(type.names, key) - type.names.begin());
    if (seen[found]) continue;
    seen[found] = true;
    if (out.back() != '{') out += ',';
    append_json_string(out, key);
    out += ':';
    append_as(out, type.children[found], value);
  }
  out += '}';
}

}  // namespace

void widen(ColumnType& type, const simdjson::dom::element& value) {
  widen(type, value, 0);
}

void settle(ColumnType& type) {
  if (type.kind == ColumnKind::object && type.names.empty()) make_json(type);
  for (ColumnType& child : type.children) settle(child);
}

void append_as(std::string& out, const ColumnType& type, const simdjson::dom::element& value) {
  if (value.is_null()) {
    out += "null";
  } else if (type.kind == ColumnKind::json && !value.is_string()) {
    append_json_string(out, std::string(simdjson::minify(value)));
  } else if (type.kind == ColumnKind::object) {
    append_members(out, type, simdjson::dom::object(value));
  } else if (type.kind == ColumnKind::list) {
    out += '[';
    for (const auto item : simdjson::dom::array(value)) {
      if (out.back() != '[') out += ',';
      append_as(out, type.children.front(), item);
    }
    out += ']';
  } else if (value.is_string()) {
    append_json_string(out, std::string_view(value));
  } else {
    out += std::string(simdjson::minify(value));
  }
}

}  // namespace kedge::data
