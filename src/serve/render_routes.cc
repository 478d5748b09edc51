// POST /v1/chat/completions/render, /v1/completions/render and /apply-template: the prompt, nothing computed.
#include "serve/answer_schema.h"
#include "serve/chat_job.h"
#include "serve/completion_request.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

/// vLLM's names, and the text.
Json rendered_json(const ModelChoice& choice, const PreparedPrompt& prompt) {
  return {{"model", choice.name}, {"prompt", prompt.text}, {"token_ids", prompt.tokens}};
}

Json rendered_schema() {
  const Json text = {{"type", "string"}};
  return object_schema({{"model", text}, {"prompt", text}, {"token_ids", array_schema({{"type", "integer"}})}});
}

ApiResult<Json> render_messages(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  KEDGE_ASSIGN(ChatRequest request, read_chat_request(body));
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, request.options.model, *client_of(http)));
  KEDGE_TRY(require_decoder(*choice.model));
  KEDGE_ASSIGN(const RenderedChat rendered, render_chat(request, *choice.model));
  return rendered_json(choice, rendered.prompt);
}

ApiResult<Json> render_prompts(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  KEDGE_ASSIGN(const CompletionRequest request, read_completion_request(body));
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, request.options.model, *client_of(http)));
  KEDGE_TRY(require_decoder(*choice.model));
  Json rendered = Json::array();
  for (const Prompt& prompt : request.prompts) {
    KEDGE_ASSIGN(const PreparedPrompt prepared, prepare_prompt(prompt, "prompt", *choice.model));
    rendered.push_back(rendered_json(choice, prepared));
  }
  return rendered;
}

using Render = ApiResult<Json> (*)(const ServeContext&, const net::ServerRequest&);

RouteSpec render_route(const std::string& pattern, const std::string& id, Render render, Json request_schema,
                       const ServeContext& context) {
  RouteSpec route;
  route.method = "POST";
  route.pattern = pattern;
  route.id = id;
  route.tag = "tokens";
  route.summary = "The prompt that such a request would have; nothing is computed";
  route.kinds = {ModelKind::decoder};
  route.request_schema = std::move(request_schema);
  add_model_property(route.request_schema, route.kinds, context);
  route.response_schema = rendered_schema();
  route.error_statuses = {400, 404, 413, 415, 503};
  route.handle = [render](ServeContext& serve, const net::ServerRequest& http,
                          const std::shared_ptr<net::Responder>& responder) {
    const ApiResult<Json> json = render(serve, http);
    responder->send(json.ok() ? json_response(json.value()) : error_response(json.error()));
  };
  return route;
}

}  // namespace

std::vector<RouteSpec> render_routes(const ServeContext& context) {
  std::vector<RouteSpec> routes;
  routes.push_back(render_route("/v1/chat/completions/render", "render_chat_completion", render_messages,
                                chat_request_schema(), context));
  routes.push_back(render_route("/apply-template", "apply_template", render_messages, chat_request_schema(), context));
  routes.push_back(render_route("/v1/completions/render", "render_completion", render_prompts,
                                completion_request_schema(), context));
  routes.back().response_schema = array_schema(rendered_schema());
  return routes;
}

}  // namespace kedge::serve
