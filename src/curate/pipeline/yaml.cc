#include "curate/pipeline/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <optional>
#include <string>

namespace kedge::curate {
namespace {

template <typename Number>
std::optional<Number> number_in(const std::string& text) {
  Number value{};
  const char* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || begin == end) return std::nullopt;
  return value;
}

Json scalar_of(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return text;  // quoted
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (const auto whole = number_in<int64_t>(text)) return *whole;
  const bool digit = text.find_first_of("0123456789") != std::string::npos;  // not "inf", "nan"
  if (const auto real = number_in<double>(text); real && digit) return *real;
  return text;
}

class Converter {
 public:
  Result<Json> convert(const YAML::Node& node, int depth) {
    if (++nodes_ > kYamlNodesMax) return Error{ErrorKind::corrupt_data, "too many values"};
    if (depth > kYamlDepthMax) return Error{ErrorKind::corrupt_data, "nested too deeply"};
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return scalar_of(node);
      case YAML::NodeType::Sequence:
        return sequence(node, depth);
      case YAML::NodeType::Map:
        return map(node, depth);
      default:
        return Json(nullptr);
    }
  }

 private:
  Result<Json> sequence(const YAML::Node& node, int depth) {
    Json list = Json::array();
    for (const YAML::Node& item : node) {
      KEDGE_ASSIGN(Json value, convert(item, depth + 1));
      list.push_back(std::move(value));
    }
    return list;
  }
  Result<Json> map(const YAML::Node& node, int depth) {
    Json object = Json::object();
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        return Error{ErrorKind::corrupt_data,
                     fmt::format("line {}: a key that is no word", entry.first.Mark().line + 1)};
      }
      const std::string& key = entry.first.Scalar();
      if (object.contains(key)) {
        return Error{ErrorKind::corrupt_data,
                     fmt::format("line {}: '{}' is there twice", entry.first.Mark().line + 1, key)};
      }
      KEDGE_ASSIGN(object[key], convert(entry.second, depth + 1));
    }
    return object;
  }

  size_t nodes_ = 0;
};

}  // namespace

Result<Json> parse_yaml(std::string_view text, std::string_view what) {
  try {
    Converter converter;
    Result<Json> json = converter.convert(YAML::Load(std::string(text)), 0);
    if (json.ok()) return json;
    return Error{ErrorKind::corrupt_data, fmt::format("{}: {}", what, json.error().message)};
  } catch (const YAML::Exception& e) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: not YAML: {}", what, e.what())};
  }
}

}  // namespace kedge::curate
