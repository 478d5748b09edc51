// POST /v1/rerank, /v2/rerank and /rerank, in Cohere's and Jina's form
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "serve/answer.h"
#include "serve/answer_schema.h"
#include "serve/encoder_input.h"
#include "serve/fields.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

constexpr size_t kDocumentsMax = 4096;

struct RerankRequest {
  std::string model;
  std::string query;
  std::vector<std::string> documents;
  size_t count_max = kDocumentsMax;
  bool return_documents = false;
};

ApiResult<std::string> read_document(const Json& value, const std::string& path) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) {
    return wrong_field(
        path, fmt::format("'{}' must be a string or an object with a 'text'; found {}", path, describe(value)));
  }
  if (!value.contains("text")) return missing_field(member_path(path, "text"));
  return read_string(value["text"], member_path(path, "text"));
}

ApiStatus read_documents(const Json& value, const std::string& path, RerankRequest& request) {
  if (!value.is_array() || value.empty() || value.size() > kDocumentsMax) {
    return wrong_field(path, fmt::format("'{}' must be an array of 1 to {} documents; found {}", path, kDocumentsMax,
                                         value.is_array() ? std::to_string(value.size()) : describe(value)));
  }
  for (size_t i = 0; i < value.size(); ++i) {
    KEDGE_ASSIGN(std::string text, read_document(value[i], item_path(path, i)));
    request.documents.push_back(std::move(text));
  }
  return Done{};
}

Json documents_schema() {
  const Json text = {{"type", "string"}};
  return {{"type", "array"},
          {"items", {{"anyOf", Json::array({text, object_schema({{"text", text}})})}}},
          {"minItems", 1},
          {"maxItems", kDocumentsMax}};
}

const Fields<RerankRequest>& rerank_fields() {
  using Request = RerankRequest;
  static const Fields<Request> kFields = {
      string_field<Request>("model", "A name from /v1/models; may be left out when there is only one.",
                            [](Request& r, std::string name) { r.model = std::move(name); }),
      required(string_field<Request>("query", "What the documents may answer.",
                                     [](Request& r, std::string text) { r.query = std::move(text); })),
      required(Field<Request>{"documents", false, documents_schema(), read_documents}),
      integer_field<Request>("top_n", 1, int64_t{1} << 24, "Give only so many of the best.",
                             [](Request& r, int64_t n) { r.count_max = static_cast<size_t>(n); }),
      boolean_field<Request>("return_documents", "Give the documents' texts, too.",
                             [](Request& r, bool on) { r.return_documents = on; }),
  };
  return kFields;
}

/// The score's probability: in (0, 1), as those APIs have it; the order is the score's own.
double relevance(float score) {
  return 1 / (1 + std::exp(-static_cast<double>(score)));
}

Json results_json(const RerankRequest& request, const std::vector<float>& scores) {
  std::vector<size_t> order = ranked(scores);
  order.resize(std::min(order.size(), request.count_max));
  Json results = Json::array();
  for (const size_t index : order) {
    Json result = {{"index", index}, {"relevance_score", relevance(scores[index])}};
    if (request.return_documents) result["document"] = {{"text", request.documents[index]}};
    results.push_back(std::move(result));
  }
  return results;
}

ApiResult<EncoderJob<float>> rerank_job(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  RerankRequest request;
  KEDGE_TRY(read_fields(body, rerank_fields(), request));
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, request.model, *client_of(http)));
  KEDGE_ASSIGN(EncoderJob<float> job, scoring_job(choice, request.query, request.documents, "documents"));
  job.caller = client_of(http);
  job.finish = [request = std::move(request), name = choice.name](const std::vector<float>& scores,
                                                                  uint64_t token_count) -> Json {
    return {{"id", random_id("rerank-")},
            {"model", name},
            {"results", results_json(request, scores)},
            {"usage", {{"prompt_tokens", token_count}, {"total_tokens", token_count}}}};
  };
  return job;
}

void handle_rerank(ServeContext& context, const net::ServerRequest& http, std::shared_ptr<net::Responder> responder) {
  ApiResult<EncoderJob<float>> job = rerank_job(context, http);
  if (!job.ok()) {
    responder->send(error_response(job.error()));
    return;
  }
  start_encoding(context, std::move(job).value(), std::move(responder));
}

}  // namespace

std::vector<RouteSpec> rerank_routes(const ServeContext& context) {
  RouteSpec route;
  route.method = "POST";
  route.tag = "ranking";
  route.summary = "Orders documents by relevance to a query, in Cohere's and Jina's form";
  route.kinds = {ModelKind::reranker};
  route.request_schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(route.request_schema, rerank_fields());
  add_model_property(route.request_schema, route.kinds, context);
  const Json text = {{"type", "string"}};
  Json result = object_schema(
      {{"index", {{"type", "integer"}}}, {"relevance_score", {{"type", "number"}, {"minimum", 0}, {"maximum", 1}}}});
  result["properties"]["document"] = object_schema({{"text", text}});
  route.response_schema =
      object_schema({{"id", text}, {"model", text}, {"results", array_schema(result)}, {"usage", usage_schema()}});
  route.error_statuses = {400, 404, 413, 415, 429, 503};
  route.handle = handle_rerank;
  std::vector<RouteSpec> routes;
  for (const auto& [pattern, id] : {std::pair("/v1/rerank", "rerank"), std::pair("/v2/rerank", "rerank_v2"),
                                    std::pair("/rerank", "rerank_plain")}) {
    routes.push_back(route);
    routes.back().pattern = pattern;
    routes.back().id = id;
  }
  return routes;
}

}  // namespace kedge::serve
