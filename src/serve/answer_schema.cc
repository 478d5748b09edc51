#include "serve/answer_schema.h"

namespace kedge::serve {

Json object_schema(const Json& properties) {
  Json schema = {{"type", "object"}, {"properties", properties}, {"required", Json::array()}};
  for (const auto& [name, unused] : properties.items()) schema["required"].push_back(name);
  return schema;
}

Json array_schema(const Json& items) {
  return {{"type", "array"}, {"items", items}};
}

Json finish_reason_schema() {
  return {{"type", "string"}, {"enum", Json::array({"stop", "length", "tool_calls"})}};
}

Json answer_schema(std::string_view object, const Json& choice) {
  return object_schema({{"id", {{"type", "string"}}},
                        {"object", {{"const", object}}},
                        {"created", {{"type", "integer"}}},
                        {"model", {{"type", "string"}}},
                        {"system_fingerprint", {{"type", "string"}}},
                        {"choices", array_schema(choice)},
                        {"usage", usage_schema()},
                        {"timings", timings_schema()}});
}

}  // namespace kedge::serve
