// GET /v1/models, GET /v1/models/{model}
#include "serve/answer_schema.h"
#include "serve/request_trace.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

std::string_view kind_name(ModelKind kind) {
  switch (kind) {
    case ModelKind::decoder:
      return "decoder";
    case ModelKind::embedder:
      return "embedder";
    case ModelKind::reranker:
      return "reranker";
  }
  return "";
}

/// `adapter`: null for the model as it is.
Json model_json(ServedModel& model, const ServedAdapter* adapter) {
  const ModelInfo& info = model.engine().info();
  return {{"id", adapter != nullptr ? adapter->name : model.name()},
          {"object", "model"},
          {"created", adapter != nullptr ? adapter->created : model.created()},
          {"owned_by", "kedge"},
          {"root", adapter != nullptr ? adapter->path : model.name()},
          {"parent", adapter != nullptr ? Json(model.name()) : Json(nullptr)},
          {"max_model_len", model.context_tokens()},
          {"kind", kind_name(info.kind)},
          {"architecture", info.architecture},
          {"parameter_count", info.parameter_count},
          {"vocabulary_size", info.vocabulary_size},
          {"compute", info.compute}};
}

Json model_schema() {
  const Json text = {{"type", "string"}};
  const Json count = {{"type", "integer"}, {"minimum", 0}};
  return object_schema({{"id", text},
                        {"object", {{"const", "model"}}},
                        {"created", count},
                        {"owned_by", text},
                        {"root", text},
                        {"parent", {{"type", Json::array({"string", "null"})}}},
                        {"max_model_len", count},
                        {"kind", {{"enum", Json::array({"decoder", "embedder", "reranker"})}}},
                        {"architecture", text},
                        {"parameter_count", count},
                        {"vocabulary_size", count},
                        {"compute", text}});
}

void handle_list(ServeContext& context, const net::ServerRequest& http,
                 const std::shared_ptr<net::Responder>& responder) {
  const Caller caller = client_of(http);
  Json list = {{"object", "list"}, {"data", Json::array()}};
  for (const auto& model : context.models.all()) {
    if (caller->may_use(model->name())) list["data"].push_back(model_json(*model, nullptr));
  }
  for (const ServedAdapter& adapter : context.adapters.all()) {
    if (caller->may_use(adapter.name)) list["data"].push_back(model_json(*adapter.model, &adapter));
  }
  responder->send(json_response(list));
}

void handle_one(ServeContext& context, const net::ServerRequest& http,
                const std::shared_ptr<net::Responder>& responder) {
  const std::string* name = net::find_value(http.parameters, "model");
  if (const auto adapter = context.adapters.find(name != nullptr ? *name : "")) {
    responder->send(json_response(model_json(*adapter->model, &*adapter)));
    return;
  }
  const ApiResult<ModelChoice> choice = choose_model(context, name != nullptr ? *name : "");
  responder->send(choice.ok() ? json_response(model_json(*choice.value().model, nullptr))
                              : error_response(choice.error()));
}

}  // namespace

std::vector<RouteSpec> model_routes(const ServeContext& /*context*/) {
  RouteSpec list;
  list.method = "GET";
  list.pattern = "/v1/models";
  list.id = "list_models";
  list.tag = "models";
  list.summary = "Lists the models";
  list.response_schema = object_schema({{"object", {{"const", "list"}}}, {"data", array_schema(model_schema())}});
  list.handle = handle_list;
  RouteSpec one;
  one.method = "GET";
  one.pattern = "/v1/models/{model+}";
  one.id = "retrieve_model";
  one.tag = "models";
  one.summary = "Describes one model";
  one.response_schema = model_schema();
  one.error_statuses = {400, 404};
  one.handle = handle_one;
  return {std::move(list), std::move(one)};
}

}  // namespace kedge::serve
