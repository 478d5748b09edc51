// GET /v1/models, /models and /v1/models/{model}
#include <optional>

#include "core/log.h"
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

std::string_view state_name(ModelStore::State state) {
  switch (state) {
    case ModelStore::State::unloaded:
      return "unloaded";
    case ModelStore::State::loading:
      return "loading";
    case ModelStore::State::loaded:
      return "loaded";
    case ModelStore::State::failed:
      return "failed";
  }
  return "";
}

/// llama-server's: whether it is in memory, and why not where it can't be.
Json status_json(const ServeContext& context, ServedModel& model) {
  if (!context.store) return {{"value", "loaded"}};
  Json status = {{"value", state_name(context.store->state(model))}};
  if (const std::string refusal = context.store->refusal(model); !refusal.empty()) status["reason"] = refusal;
  return status;
}

Json model_json(const ServeContext& context, ServedModel& model) {
  const ModelInfo info = model.info();
  const bool is_known = !info.architecture.empty();
  return {{"id", model.name()},
          {"object", "model"},
          {"created", model.created()},
          {"owned_by", "kedge"},
          {"root", model.name()},
          {"parent", nullptr},
          {"max_model_len", model.context_tokens()},
          {"kind", is_known ? Json(kind_name(info.kind)) : Json(nullptr)},
          {"architecture", info.architecture},
          {"parameter_count", info.parameter_count},
          {"vocabulary_size", info.vocabulary_size},
          {"compute", info.compute},
          {"memory_bytes", model.plan().total_bytes()},
          {"status", status_json(context, model)}};
}

Json adapter_json(const ServeContext& context, const ServedAdapter& adapter) {
  Json json = model_json(context, *adapter.model);
  json["id"] = adapter.name;
  json["created"] = adapter.created;
  json["root"] = adapter.path;
  json["parent"] = adapter.model->name();
  return json;
}

Json model_schema() {
  const Json text = {{"type", "string"}};
  const Json count = {{"type", "integer"}, {"minimum", 0}};
  const Json status = object_schema({{"value", {{"enum", Json::array({"unloaded", "loading", "loaded", "failed"})}}}});
  return object_schema({{"id", text},
                        {"object", {{"const", "model"}}},
                        {"created", count},
                        {"owned_by", text},
                        {"root", text},
                        {"parent", {{"type", Json::array({"string", "null"})}}},
                        {"max_model_len", count},
                        {"kind", {{"enum", Json::array({"decoder", "embedder", "reranker", nullptr})}}},
                        {"architecture", text},
                        {"parameter_count", count},
                        {"vocabulary_size", count},
                        {"compute", text},
                        {"memory_bytes", count},
                        {"status", status}});
}

/// What a name stands for, if anything.
std::optional<Json> named_json(const ServeContext& context, const std::string& name) {
  if (const auto adapter = context.adapters.find(name)) return adapter_json(context, *adapter);
  const ApiResult<ServedModel*> model = context.models.find(name);
  if (!model.ok() || name.empty()) return std::nullopt;
  return model_json(context, *model.value());
}

void handle_list(ServeContext& context, const net::ServerRequest& http,
                 const std::shared_ptr<net::Responder>& responder) {
  const Caller caller = client_of(http);
  if (context.store) {
    if (const Status status = context.store->refresh(); !status.ok()) {
      write_log(context.log, {LogLevel::warning, status.error().message, {}});
    }
  }
  Json list = {{"object", "list"}, {"data", Json::array()}};
  for (ServedModel* const model : context.models.all()) {
    if (caller->may_use(model->name())) list["data"].push_back(model_json(context, *model));
  }
  for (const ServedAdapter& adapter : context.adapters.all()) {
    if (caller->may_use(adapter.name)) list["data"].push_back(adapter_json(context, adapter));
  }
  for (const ModelAlias& alias : context.models.aliases()) {
    std::optional<Json> json = named_json(context, alias.target);
    if (!json || !caller->may_use(alias.name, alias.target)) continue;
    (*json)["id"] = alias.name;
    (*json)["root"] = alias.target;
    list["data"].push_back(std::move(*json));
  }
  responder->send(json_response(list));
}

void handle_one(ServeContext& context, const net::ServerRequest& http,
                const std::shared_ptr<net::Responder>& responder) {
  const std::string* parameter = net::find_value(http.parameters, "model");
  const std::string name = parameter != nullptr ? *parameter : "";
  const std::string target = context.models.target_of(name);
  const ApiResult<ServedModel*> known = model_behind(context, name);
  if (!known.ok()) return responder->send(error_response(known.error()));
  const ApiStatus allowed = client_of(http)->allow(name, target);
  if (!allowed.ok()) return responder->send(error_response(allowed.error()));
  Json json = named_json(context, target).value_or(model_json(context, *known.value()));
  json["id"] = name;
  if (target != name) json["root"] = target;
  responder->send(json_response(json));
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
  one.error_statuses = {400, 403, 404};
  one.handle = handle_one;
  RouteSpec plain = list;  // llama-server's path
  plain.pattern = "/models";
  plain.id = "list_models_plain";
  return {std::move(list), std::move(plain), std::move(one)};
}

}  // namespace kedge::serve
