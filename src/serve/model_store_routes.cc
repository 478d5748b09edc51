// POST /models/load and /models/unload: llama-server's.
#include <fmt/format.h>

#include "serve/answer_schema.h"
#include "serve/fields.h"
#include "serve/prompt.h"
#include "serve/request_trace.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

const Fields<std::string>& model_fields() {
  static const Fields<std::string> kFields = {
      required(string_field<std::string>("model", "A name from /v1/models.",
                                         [](std::string& model, std::string name) { model = std::move(name); })),
  };
  return kFields;
}

/// The model that the body names, where its caller may use it.
ApiResult<ServedModel*> named_model(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  std::string name;
  KEDGE_TRY(read_fields(body, model_fields(), name));
  KEDGE_ASSIGN(ServedModel* const model, model_behind(context, name));
  KEDGE_TRY(client_of(http)->allow(name, context.models.target_of(name)));
  return model;
}

void handle_load(ServeContext& context, const net::ServerRequest& http, std::shared_ptr<net::Responder> responder) {
  const ApiResult<ServedModel*> model = named_model(context, http);
  if (!model.ok()) return responder->send(error_response(model.error()));
  if (model.value()->pinned() || !context.store) return responder->send(json_response({{"success", true}}));
  context.store->use(*model.value(),
                     {[responder](const ApiResult<ModelUse>& use) {
                        responder->send(use.ok() ? json_response({{"success", true}}) : error_response(use.error()));
                      },
                      {}});
}

void handle_unload(ServeContext& context, const net::ServerRequest& http,
                   const std::shared_ptr<net::Responder>& responder) {
  const ApiResult<ServedModel*> model = named_model(context, http);
  if (!model.ok()) return responder->send(error_response(model.error()));
  if (!context.store) return responder->send(error_response(stays_loaded(*model.value())));
  const ApiStatus status = context.store->unload(*model.value());
  responder->send(status.ok() ? json_response({{"success", true}}) : error_response(status.error()));
}

RouteSpec route_of(const std::string& name, std::string summary, decltype(RouteSpec::handle) handle) {
  RouteSpec route;
  route.method = "POST";
  route.pattern = "/models/" + name;
  route.id = name + "_model";
  route.tag = "models";
  route.summary = std::move(summary);
  route.request_schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(route.request_schema, model_fields());
  route.request_schema["properties"]["model"]["minLength"] = 1;
  route.response_schema = object_schema({{"success", {{"const", true}}}});
  route.error_statuses = {400, 403, 404, 409, 413, 415, 429, 503};
  route.handle = std::move(handle);
  return route;
}

}  // namespace

std::vector<RouteSpec> model_store_routes(const ServeContext& /*context*/) {
  return {route_of("load", "Loads a model; answers when it is there", handle_load),
          route_of("unload", "Unloads a model that no request uses", handle_unload)};
}

}  // namespace kedge::serve
