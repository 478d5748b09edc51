#include "serve/openapi.h"

#include <algorithm>

#include "serve/answer_schema.h"
#include "serve/version.h"

namespace kedge::serve {

namespace {

std::string_view status_text(int status) {
  switch (status) {
    case 400:
      return "The request is wrong; `param` names the field.";
    case 401:
      return "No valid API key.";
    case 403:
      return "The API key may not do this.";
    case 404:
      return "No such model.";
    case 413:
      return "The request is too large.";
    case 415:
      return "The body is not declared as JSON.";
    case 429:
      return "The queue is full, or the API key's limit is used up; Retry-After says when to come back.";
    case 503:
      return "Not now.";
    default:
      return "The request failed.";
  }
}

Json error_schema() {
  const Json text = {{"type", "string"}};
  const Json text_or_null = {{"type", Json::array({"string", "null"})}};
  return object_schema(
      {{"error", object_schema({{"message", text}, {"type", text}, {"param", text_or_null}, {"code", text_or_null}})}});
}

// "/v1/models/{model+}" -> "/v1/models/{model}", and its parameters.
std::string document_path(const std::string& pattern, Json& parameters) {
  std::string path;
  size_t name_start = 0;
  for (const char c : pattern) {
    if (c == '+') continue;
    path += c;
    if (c == '{') name_start = path.size();
    if (c != '}') continue;
    parameters.push_back({{"name", path.substr(name_start, path.size() - name_start - 1)},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}, {"pattern", "^[^\\u0000-\\u001f\\u007f]+$"}}}});
  }
  return path;
}

Json responses_of(const RouteSpec& route, bool asks_for_key) {
  Json responses = Json::object();
  if (route.response_type.empty()) {
    responses["204"] = {{"description", "Nothing."}};
  } else {
    const Json schema = route.response_schema.is_null() ? Json{{"type", "string"}} : route.response_schema;
    Json content = {{route.response_type, {{"schema", schema}}}};
    if (route.may_stream) {
      content["text/event-stream"] = {{"schema", {{"description", "Server-sent events; each one's data is JSON."}}}};
    }
    responses["200"] = {{"description", "The answer."}, {"content", std::move(content)}};
  }
  std::vector<int> statuses = route.error_statuses;
  if (asks_for_key && route.needs_key) {
    statuses.push_back(401);
    if (!route.kinds.empty()) statuses.push_back(403);
    const bool limited = std::find(statuses.begin(), statuses.end(), 429) != statuses.end();
    if (!route.kinds.empty() && !limited) statuses.push_back(429);
  }
  std::sort(statuses.begin(), statuses.end());
  for (const int status : statuses) {
    // Readiness answers in its own form also when the answer is no.
    const bool own_form = route.tag == "operations" && status == 503;
    const Json common =
        route.error_schema.is_null() ? Json{{"$ref", "#/components/schemas/Error"}} : route.error_schema;
    const Json schema = own_form ? route.response_schema : common;
    responses[std::to_string(status)] = {{"description", status_text(status)},
                                         {"content", {{"application/json", {{"schema", schema}}}}}};
  }
  return responses;
}

}  // namespace

Json openapi_document(const std::vector<RouteSpec>& routes, bool asks_for_key) {
  Json document = {{"openapi", "3.1.0"},
                   {"info",
                    {{"title", "kedge"},
                     {"version", kVersion},
                     {"description", "Private language models on CPUs, behind OpenAI's API."}}},
                   {"paths", Json::object()},
                   {"components", {{"schemas", {{"Error", error_schema()}}}}}};
  if (asks_for_key) document["components"]["securitySchemes"]["key"] = {{"type", "http"}, {"scheme", "bearer"}};
  for (const RouteSpec& route : routes) {
    Json parameters = Json::array();
    const std::string path = document_path(route.pattern, parameters);
    for (const Json& parameter : route.parameters) parameters.push_back(parameter);
    Json operation = {{"operationId", route.id}, {"tags", Json::array({route.tag})}, {"summary", route.summary}};
    if (!parameters.empty()) operation["parameters"] = std::move(parameters);
    if (!route.request_schema.is_null()) {
      operation["requestBody"] = {{"required", true},
                                  {"content", {{"application/json", {{"schema", route.request_schema}}}}}};
    }
    operation["responses"] = responses_of(route, asks_for_key);
    if (asks_for_key && route.needs_key) operation["security"] = Json::array({{{"key", Json::array()}}});
    std::string method = route.method;
    std::transform(method.begin(), method.end(), method.begin(), [](unsigned char c) { return std::tolower(c); });
    document["paths"][path][method] = std::move(operation);
  }
  return document;
}

}  // namespace kedge::serve
