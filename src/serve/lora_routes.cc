// POST /v1/load_lora_adapter and /v1/unload_lora_adapter: vLLM's.
#include <fmt/format.h>

#include "serve/fields.h"
#include "serve/prompt.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

struct AdapterRequest {
  std::string name;
  std::string path;
  bool in_place = false;
};

const Field<AdapterRequest>& name_field() {
  static const Field<AdapterRequest> kField =
      required(string_field<AdapterRequest>("lora_name", "What requests call it as their model.",
                                            [](AdapterRequest& r, std::string name) { r.name = std::move(name); }));
  return kField;
}

const Fields<AdapterRequest>& load_fields() {
  static const Fields<AdapterRequest> kFields = {
      name_field(),
      required(string_field<AdapterRequest>("lora_path",
                                            "A folder of the server with adapter_config.json and "
                                            "adapter_model.safetensors.",
                                            [](AdapterRequest& r, std::string path) { r.path = std::move(path); })),
      boolean_field<AdapterRequest>("load_inplace", "Replace an adapter of that name.",
                                    [](AdapterRequest& r, bool on) { r.in_place = on; }),
  };
  return kFields;
}

const Fields<AdapterRequest>& unload_fields() {
  static const Fields<AdapterRequest> kFields = {name_field()};
  return kFields;
}

ApiStatus check_allowed(const ServeContext& context) {
  if (context.adapters_by_api) return Done{};
  ApiError error = api_error(403,
                             "this server takes no adapters from clients; start it with "
                             "--allow-runtime-lora-updating to let those who may ask it load folders of its disk");
  error.code = "lora_updating_disabled";
  return error;
}

ApiResult<std::string> load(ServeContext& context, const net::ServerRequest& http) {
  KEDGE_TRY(check_allowed(context));
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  AdapterRequest request;
  KEDGE_TRY(read_fields(body, load_fields(), request));
  const Status status = context.adapters.load(request.name, request.path, request.in_place);
  if (status.ok()) return fmt::format("Success: LoRA adapter '{}' added successfully.", request.name);
  ApiError error =
      api_error(status.error(), status.error().kind == ErrorKind::invalid_input ? "lora_name" : "lora_path");
  if (error.status >= 500 && status.error().kind != ErrorKind::out_of_memory) error.status = 400;
  error.message = fmt::format("adapter '{}' is refused: {}", request.name, error.message);
  return error;
}

ApiResult<std::string> unload(ServeContext& context, const net::ServerRequest& http) {
  KEDGE_TRY(check_allowed(context));
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  AdapterRequest request;
  KEDGE_TRY(read_fields(body, unload_fields(), request));
  if (context.adapters.unload(request.name)) {
    return fmt::format("Success: LoRA adapter '{}' removed successfully.", request.name);
  }
  ApiError error = api_error(404, fmt::format("there is no adapter '{}'", request.name));
  error.param = "lora_name";
  error.code = "model_not_found";
  return error;
}

RouteSpec route_of(const std::string& name, std::string summary, const Fields<AdapterRequest>& fields,
                   ApiResult<std::string> (*answer)(ServeContext&, const net::ServerRequest&)) {
  RouteSpec route;
  route.method = "POST";
  route.pattern = "/v1/" + name;
  route.id = name;
  route.tag = "models";
  route.summary = std::move(summary);
  route.kinds = {ModelKind::decoder};
  route.request_schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(route.request_schema, fields);
  route.response_type = "text/plain";
  route.error_statuses = {400, 403, 404, 413, 415, 503};
  route.handle = [answer](ServeContext& context, const net::ServerRequest& http,
                          const std::shared_ptr<net::Responder>& responder) {
    const ApiResult<std::string> text = answer(context, http);
    responder->send(text.ok() ? net::ServerResponse{200, {{"Content-Type", "text/plain; charset=utf-8"}}, text.value()}
                              : error_response(text.error()));
  };
  return route;
}

}  // namespace

std::vector<RouteSpec> lora_routes(const ServeContext& /*context*/) {
  return {route_of("load_lora_adapter", "Offers a LoRA adapter of the server's disk", load_fields(), load),
          route_of("unload_lora_adapter", "Offers it no longer; requests that run with it end as they would",
                   unload_fields(), unload)};
}

}  // namespace kedge::serve
