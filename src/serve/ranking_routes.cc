// POST /v1/ranking (NIM's form) and its alias /v1/retrieval/{model}/reranking
#include <fmt/format.h>

#include "serve/answer.h"
#include "serve/answer_schema.h"
#include "serve/encoder_input.h"
#include "serve/fields.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

constexpr size_t kPassagesMax = 4096;

struct RankingRequest {
  std::string model;
  std::string query;
  std::vector<std::string> passages;
};

ApiResult<std::string> read_text_object(const Json& value, const std::string& path) {
  if (!value.is_object()) {
    return wrong_field(path, fmt::format("'{}' must be an object with a 'text'; found {}", path, describe(value)));
  }
  if (!value.contains("text")) return missing_field(member_path(path, "text"));
  return read_string(value["text"], member_path(path, "text"));
}

ApiStatus read_query(const Json& value, const std::string& path, RankingRequest& request) {
  KEDGE_ASSIGN(request.query, read_text_object(value, path));
  return Done{};
}

ApiStatus read_passages(const Json& value, const std::string& path, RankingRequest& request) {
  if (!value.is_array() || value.empty() || value.size() > kPassagesMax) {
    return wrong_field(path, fmt::format("'{}' must be an array of 1 to {} passages; found {}", path, kPassagesMax,
                                         value.is_array() ? std::to_string(value.size()) : describe(value)));
  }
  for (size_t i = 0; i < value.size(); ++i) {
    KEDGE_ASSIGN(std::string text, read_text_object(value[i], item_path(path, i)));
    request.passages.push_back(std::move(text));
  }
  return Done{};
}

const Fields<RankingRequest>& ranking_fields() {
  using Request = RankingRequest;
  const Json text = object_schema({{"text", {{"type", "string"}}}});
  static const Fields<Request> kFields = {
      string_field<Request>("model", "A name from /v1/models; may be left out when there is only one.",
                            [](Request& r, std::string name) { r.model = std::move(name); }),
      required(Field<Request>{"query", false, text, read_query}),
      required(Field<Request>{"passages",
                              false,
                              {{"type", "array"}, {"items", text}, {"minItems", 1}, {"maxItems", kPassagesMax}},
                              read_passages}),
      // A pair has no start to drop: the model's own rule cuts the passage's end.
      choice_field<Request>("truncate", {"NONE", "END"}, "Passages that are too long lose their end.",
                            [](Request&, const std::string&) {}),
  };
  return kFields;
}

Json rankings_json(const std::vector<float>& scores, uint64_t token_count) {
  Json rankings = Json::array();
  for (const size_t index : ranked(scores)) rankings.push_back({{"index", index}, {"logit", scores[index]}});
  return {{"rankings", std::move(rankings)},
          {"usage", {{"prompt_tokens", token_count}, {"total_tokens", token_count}}}};
}

ApiResult<EncoderJob<float>> ranking_job(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  RankingRequest request;
  KEDGE_TRY(read_fields(body, ranking_fields(), request));
  const std::string* path_model = net::find_value(http.parameters, "model");
  const std::string& name = path_model != nullptr ? *path_model : request.model;
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, name, *client_of(http)));
  KEDGE_ASSIGN(EncoderJob<float> job, scoring_job(choice, request.query, request.passages, "passages"));
  job.caller = client_of(http);
  job.finish = rankings_json;
  return job;
}

void handle_ranking(ServeContext& context, const net::ServerRequest& http, std::shared_ptr<net::Responder> responder) {
  ApiResult<EncoderJob<float>> job = ranking_job(context, http);
  if (!job.ok()) {
    responder->send(error_response(job.error()));
    return;
  }
  start_encoding(context, std::move(job).value(), std::move(responder));
}

}  // namespace

std::vector<RouteSpec> ranking_routes(const ServeContext& context) {
  RouteSpec route;
  route.method = "POST";
  route.pattern = "/v1/ranking";
  route.id = "rank_passages";
  route.tag = "ranking";
  route.summary = "Orders passages by how well they answer a query";
  route.kinds = {ModelKind::reranker};
  route.request_schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(route.request_schema, ranking_fields());
  add_model_property(route.request_schema, route.kinds, context);
  const Json entry = object_schema({{"index", {{"type", "integer"}}}, {"logit", {{"type", "number"}}}});
  route.response_schema = object_schema({{"rankings", array_schema(entry)}, {"usage", usage_schema()}});
  route.error_statuses = {400, 404, 413, 415, 429, 503};
  route.handle = handle_ranking;
  RouteSpec alias = route;
  alias.pattern = "/v1/retrieval/{model+}/reranking";
  alias.id = "rank_passages_of_model";
  alias.summary = "The same, with the model in the path";
  return {std::move(route), std::move(alias)};
}

}  // namespace kedge::serve
