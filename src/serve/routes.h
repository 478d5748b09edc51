#pragma once
// The table of routes: one row both answers a route and describes it in /openapi.json.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "serve/context.h"

namespace kedge::serve {

struct RouteSpec {
  std::string method;
  std::string pattern;  // the router's: "/v1/models/{model+}"
  std::string id;       // OpenAPI's operationId
  std::string tag;
  std::string summary;
  bool needs_key = true;            // when the server has one
  std::vector<ModelKind> kinds;     // of the models that answer; empty: none does, and it answers while draining too
  Json parameters = Json::array();  // OpenAPI's, besides those of the path
  Json request_schema = nullptr;    // null: no body
  std::string response_type = "application/json";
  Json response_schema = nullptr;                                         // of a 200 answer; null: not JSON
  bool may_stream = false;                                                // also answers with server-sent events
  std::vector<int> error_statuses;                                        // besides those that every route has
  Json error_schema = nullptr;                                            // null: OpenAI's, as error_response writes it
  net::ServerResponse (*refuse)(const ApiError& error) = error_response;  // before `handle` sees a request
  std::function<void(ServeContext&, net::ServerRequest, std::shared_ptr<net::Responder>)> handle;
};

// One file per group.
std::vector<RouteSpec> chat_routes(const ServeContext& context);
std::vector<RouteSpec> completion_routes(const ServeContext& context);
std::vector<RouteSpec> response_routes(const ServeContext& context);
std::vector<RouteSpec> anthropic_routes(const ServeContext& context);
std::vector<RouteSpec> render_routes(const ServeContext& context);
std::vector<RouteSpec> token_routes(const ServeContext& context);
std::vector<RouteSpec> embedding_routes(const ServeContext& context);
std::vector<RouteSpec> ranking_routes(const ServeContext& context);
std::vector<RouteSpec> rerank_routes(const ServeContext& context);
std::vector<RouteSpec> model_routes(const ServeContext& context);
std::vector<RouteSpec> model_store_routes(const ServeContext& context);
std::vector<RouteSpec> lora_routes(const ServeContext& context);
std::vector<RouteSpec> slot_routes(const ServeContext& context);
std::vector<RouteSpec> status_routes(const ServeContext& context);
std::vector<RouteSpec> about_routes(const ServeContext& context);
std::vector<RouteSpec> page_routes(const ServeContext& context);

/// All of the above. /openapi.json is among them and describes those that some model answers.
std::vector<RouteSpec> all_routes(const ServeContext& context);

/// The schema of the request's field 'model': one of the names of these kinds, required when there are several models.
/// Any name where models or adapters may come and go.
void add_model_property(Json& schema, const std::vector<ModelKind>& kinds, const ServeContext& context);

/// Models of these kinds, in the server's order.
std::vector<ServedModel*> models_of(const std::vector<ModelKind>& kinds, const ServeContext& context);

}  // namespace kedge::serve
