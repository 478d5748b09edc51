#include "serve/routes.h"

#include <algorithm>
#include <iterator>

#include "serve/generation_options.h"
#include "serve/openapi.h"

namespace kedge::serve {

std::vector<ServedModel*> models_of(const std::vector<ModelKind>& kinds, const ServeContext& context) {
  std::vector<ServedModel*> models;
  for (ServedModel* const model : context.models.all()) {
    if (std::find(kinds.begin(), kinds.end(), model->info().kind) != kinds.end()) models.push_back(model);
  }
  return models;
}

namespace {

/// Token ids end with the largest vocabulary of the models that the route serves.
void limit_token_ids(Json& schema, int64_t token_max) {
  if (!schema.is_structured()) return;
  if (schema.is_object() && schema.value("maximum", Json()) == kTokenIdMax && schema.value("minimum", Json()) == 0) {
    schema["maximum"] = token_max;
  }
  for (Json& part : schema) limit_token_ids(part, token_max);
}

}  // namespace

void add_model_property(Json& schema, const std::vector<ModelKind>& kinds, const ServeContext& context) {
  int64_t token_count = 1, slot_count = 1;
  for (ServedModel* served : models_of(kinds, context)) {
    token_count = std::max<int64_t>(token_count, served->info().vocabulary_size);
    slot_count = std::max<int64_t>(slot_count, served->info().sequences_max);
  }
  if (!context.store) {
    limit_token_ids(schema, token_count - 1);
    if (schema["properties"].contains("id_slot")) schema["properties"]["id_slot"]["maximum"] = slot_count - 1;
  }
  Json& model = schema["properties"]["model"];
  Json names = Json::array();
  for (const ServedModel* served : models_of(kinds, context)) {
    names.push_back(served->name());
    for (const ModelAlias& alias : context.models.aliases()) {
      if (alias.target == served->name()) names.push_back(alias.name);
    }
  }
  if (context.store) {  // there may be one more any time
    schema["required"].push_back("model");
    model["type"] = "string";
  } else if (context.models.all().size() == 1) {
    names.push_back("");  // the same as leaving it out
    names.push_back(nullptr);
  } else {
    schema["required"].push_back("model");
    model["type"] = "string";
  }
  if (!context.names_change()) {
    model["enum"] = std::move(names);
  } else if (!context.store && context.models.all().size() == 1) {
    model["type"] = Json::array({"string", "null"});
  }
}

std::vector<RouteSpec> all_routes(const ServeContext& context) {
  std::vector<RouteSpec> routes;
  for (const auto group : {chat_routes, completion_routes, response_routes, anthropic_routes, render_routes,
                           token_routes, embedding_routes, ranking_routes, rerank_routes, model_routes,
                           model_store_routes, lora_routes, slot_routes, status_routes, about_routes, page_routes}) {
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
  std::vector<RouteSpec> documented;
  std::copy_if(routes.begin(), routes.end(), std::back_inserter(documented), [&](const RouteSpec& route) {
    return route.kinds.empty() || context.store || !models_of(route.kinds, context).empty();
  });
  const std::string text = to_text(openapi_document(documented, context.keys.asks()));
  routes.back().handle = [text](ServeContext&, const net::ServerRequest&,
                                const std::shared_ptr<net::Responder>& responder) {
    responder->send({200, {{"Content-Type", "application/json"}}, text});
  };
  return routes;
}

}  // namespace kedge::serve
