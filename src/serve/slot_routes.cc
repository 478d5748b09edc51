// GET /slots and POST /slots/{slot}: llama-server's. What a prompt left in the KV cache goes to a file and back.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "serve/answer_schema.h"
#include "serve/fields.h"
#include "serve/prompt.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

constexpr size_t kFileNameMax = 128;

struct SlotRequest {
  std::string model;
  std::string file;
};

/// A file of the folder: neither a path nor hidden.
ApiStatus read_file_name(const Json& value, const std::string& path, SlotRequest& request) {
  KEDGE_ASSIGN(request.file, read_string(value, path));
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  const bool plain = std::all_of(request.file.begin(), request.file.end(), allowed);
  if (plain && !request.file.empty() && request.file.front() != '.' && request.file.size() <= kFileNameMax)
    return Done{};
  return wrong_field(path, fmt::format("'{}' must be a name of 1 to {} letters, digits, '.', '_' and '-' that does not "
                                       "begin with '.'; found {}",
                                       path, kFileNameMax, describe(value)));
}

const Fields<SlotRequest>& slot_fields() {
  static const Fields<SlotRequest> kFields = {
      string_field<SlotRequest>("model", "Whose slot it is; may be left out when there is only one model.",
                                [](SlotRequest& r, std::string name) { r.model = std::move(name); }),
      {"filename",
       false,
       {{"type", "string"},
        {"pattern", "^[A-Za-z0-9_-][A-Za-z0-9._-]*$"},
        {"maxLength", kFileNameMax},
        {"description", "To save to or restore from, in the server's --slot-save-path."}},
       read_file_name},
  };
  return kFields;
}

ApiResult<size_t> slot_of(const net::ServerRequest& http, size_t count) {
  const std::string* const text = net::find_value(http.parameters, "slot");
  size_t slot = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, code] = std::from_chars(text->data(), end, slot);
  if (code == std::errc() && rest == end && slot < count) return slot;
  ApiError error = api_error(404, fmt::format("there is no slot '{}', expected 0 to {}", *text, count - 1));
  error.param = "slot";
  error.code = "slot_not_found";
  return error;
}

ApiResult<std::string> action_of(const net::ServerRequest& http) {
  const std::string* const action = net::find_value(http.query, "action");
  if (action == nullptr) return missing_field("action");
  return read_choice(*action, "action", {"save", "restore", "erase"});
}

ApiStatus check_allowed(const ServeContext& context) {
  if (!context.slot_folder.empty()) return Done{};
  ApiError error = api_error(403, "this server saves no slots; start it with --slot-save-path FOLDER");
  error.code = "slots_disabled";
  return error;
}

ApiError slot_error(const Error& error) {
  ApiError api = api_error(error, "filename");
  if (error.kind == ErrorKind::corrupt_data || error.kind == ErrorKind::unsupported) api.status = 400;
  return api;
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

ApiResult<Json> act(ServeContext& context, const net::ServerRequest& http) {
  KEDGE_TRY(check_allowed(context));
  KEDGE_ASSIGN(const std::string action, action_of(http));
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  SlotRequest request;
  KEDGE_TRY(read_fields(body, slot_fields(), request));
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, request.model, *client_of(http)));
  KEDGE_TRY(require_decoder(*choice.model));
  Engine& engine = choice.model->engine();
  KEDGE_ASSIGN(const size_t slot, slot_of(http, engine.slots().size()));
  if (action == "erase") {
    const Result<uint64_t> erased = engine.erase_slot(slot);
    if (!erased.ok()) return slot_error(erased.error());
    return Json{{"id_slot", slot}, {"n_erased", erased.value()}};
  }
  if (request.file.empty()) return missing_field("filename");
  const bool saves = action == "save";
  const auto start = std::chrono::steady_clock::now();
  const std::filesystem::path file = context.slot_folder / request.file;
  const Result<SlotTransfer> done = saves ? engine.save_slot(slot, file) : engine.restore_slot(slot, file);
  if (!done.ok()) return slot_error(done.error());
  return Json{{"id_slot", slot},
              {"filename", request.file},
              {saves ? "n_saved" : "n_restored", done.value().tokens},
              {saves ? "n_written" : "n_read", done.value().bytes},
              {"timings", {{saves ? "save_ms" : "restore_ms", milliseconds_since(start)}}}};
}

void handle_action(ServeContext& context, const net::ServerRequest& http,
                   const std::shared_ptr<net::Responder>& responder) {
  const ApiResult<Json> json = act(context, http);
  responder->send(json.ok() ? json_response(json.value()) : error_response(json.error()));
}

ApiResult<Json> list(const ServeContext& context, const net::ServerRequest& http) {
  const std::string* const model = net::find_value(http.query, "model");
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, model != nullptr ? *model : "", *client_of(http)));
  KEDGE_TRY(require_decoder(*choice.model));
  Json slots = Json::array();
  for (const SlotInfo& info : choice.model->engine().slots()) {
    slots.push_back({{"id", slots.size()},
                     {"n_ctx", choice.model->context_tokens()},
                     {"is_processing", info.requests > 0},
                     {"n_prompt_tokens", info.prompt_tokens}});
  }
  return slots;
}

void handle_list(ServeContext& context, const net::ServerRequest& http,
                 const std::shared_ptr<net::Responder>& responder) {
  const ApiResult<Json> json = list(context, http);
  responder->send(json.ok() ? json_response(json.value()) : error_response(json.error()));
}

Json query_parameter(const char* name, bool is_required, Json schema) {
  return {{"name", name}, {"in", "query"}, {"required", is_required}, {"schema", std::move(schema)}};
}

/// The field 'model' of requests, as a part of the path.
Json model_parameter(const std::vector<ModelKind>& kinds, const ServeContext& context) {
  Json request = {{"properties", {{"model", {{"pattern", "^[^\\u0000-\\u001f\\u007f]*$"}}}}},
                  {"required", Json::array()}};
  add_model_property(request, kinds, context);
  Json schema = request["properties"]["model"];
  schema["type"] = "string";
  if (schema.contains("enum")) std::erase(schema["enum"].get_ref<Json::array_t&>(), Json(nullptr));
  return query_parameter("model", !request["required"].empty(), std::move(schema));
}

Json transfer_schema() {
  const Json count = {{"type", "integer"}, {"minimum", 0}};
  return {{"type", "object"},
          {"properties",
           {{"id_slot", count},
            {"filename", {{"type", "string"}}},
            {"n_saved", count},
            {"n_written", count},
            {"n_restored", count},
            {"n_read", count},
            {"n_erased", count},
            {"timings", {{"type", "object"}}}}},
          {"required", Json::array({"id_slot"})}};
}

}  // namespace

std::vector<RouteSpec> slot_routes(const ServeContext& context) {
  RouteSpec all;
  all.method = "GET";
  all.pattern = "/slots";
  all.id = "slots";
  all.tag = "models";
  all.summary = "The places of running requests, and how long the prompts are that they remember";
  all.kinds = {ModelKind::decoder};
  all.parameters = Json::array({model_parameter(all.kinds, context)});
  const Json count = {{"type", "integer"}, {"minimum", 0}};
  all.response_schema = array_schema(object_schema(
      {{"id", count}, {"n_ctx", count}, {"is_processing", {{"type", "boolean"}}}, {"n_prompt_tokens", count}}));
  all.error_statuses = {400, 404, 503};
  all.handle = handle_list;
  RouteSpec action;
  action.method = "POST";
  action.pattern = "/slots/{slot}";
  action.id = "slot_action";
  action.tag = "models";
  action.summary = "Saves what a slot's prompt left in the KV cache, restores it, or forgets it";
  action.kinds = {ModelKind::decoder};
  action.parameters =
      Json::array({query_parameter("action", true, {{"enum", Json::array({"save", "restore", "erase"})}})});
  action.request_schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(action.request_schema, slot_fields());
  add_model_property(action.request_schema, action.kinds, context);
  action.response_schema = transfer_schema();
  action.error_statuses = {400, 403, 404, 413, 415, 503};
  action.handle = handle_action;
  return {std::move(all), std::move(action)};
}

}  // namespace kedge::serve
