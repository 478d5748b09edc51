#include "serve/routes.h"

#include "serve/openapi.h"

namespace kedge::serve {

void add_model_property(Json& schema, const ServeContext& context) {
  Json& model = schema["properties"]["model"];
  Json names = Json::array();
  for (const auto& served : context.models.all()) names.push_back(served->name());
  if (names.size() == 1) {
    names.push_back("");  // the same as leaving it out
    names.push_back(nullptr);
  } else {
    schema["required"].push_back("model");
    model["type"] = "string";
  }
  model["enum"] = std::move(names);
}

std::vector<RouteSpec> all_routes(const ServeContext& context) {
  std::vector<RouteSpec> routes;
  for (const auto group :
       {chat_routes, completion_routes, embedding_routes, ranking_routes, model_routes, status_routes, page_routes}) {
    for (RouteSpec& route : group(context)) routes.push_back(std::move(route));
  }
  RouteSpec document;
  document.method = "GET";
  document.pattern = "/openapi.json";
  document.id = "openapi";
  document.tag = "operations";
  document.summary = "This document";
  document.needs_key = false;
  document.response_schema = {{"type", "object"}};
  routes.push_back(std::move(document));
  // Written once, when the table is complete.
  const std::string text = to_text(openapi_document(routes, !context.api_key.empty()));
  routes.back().handle = [text](ServeContext&, const net::ServerRequest&,
                                const std::shared_ptr<net::Responder>& responder) {
    responder->send({200, {{"Content-Type", "application/json"}}, text});
  };
  return routes;
}

}  // namespace kedge::serve
