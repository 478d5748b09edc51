// POST /v1/messages and /v1/messages/count_tokens: Anthropic's Messages API
#include "serve/answer_schema.h"
#include "serve/anthropic_answer.h"
#include "serve/anthropic_request.h"
#include "serve/chat_job.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

ApiResult<GenerationJob> message_job(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  KEDGE_ASSIGN(ChatRequest request, read_anthropic_request(body, false));
  KEDGE_ASSIGN(GenerationJob job, chat_job(context, request, client_of(http)));
  const Request& engine = job.requests.front();
  job.writer = anthropic_writer(job.model_name, engine.prompt_tokens.size(), engine.stop_strings);
  return job;
}

void handle_message(ServeContext& context, const net::ServerRequest& http, std::shared_ptr<net::Responder> responder) {
  ApiResult<GenerationJob> job = message_job(context, http);
  if (!job.ok()) {
    responder->send(anthropic_error_response(job.error()));
    return;
  }
  start_generation(context, std::move(job).value(), std::move(responder));
}

ApiResult<Json> token_count(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  KEDGE_ASSIGN(ChatRequest request, read_anthropic_request(body, true));
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, request.options.model, *client_of(http)));
  KEDGE_TRY(require_decoder(*choice.model));
  KEDGE_ASSIGN(const RenderedChat rendered, render_chat(request, *choice.model));
  return Json{{"input_tokens", rendered.prompt.tokens.size()}};
}

void handle_count(ServeContext& context, const net::ServerRequest& http,
                  const std::shared_ptr<net::Responder>& responder) {
  const ApiResult<Json> json = token_count(context, http);
  responder->send(json.ok() ? json_response(json.value()) : anthropic_error_response(json.error()));
}

RouteSpec message_route(std::string pattern, bool counts_only, const ServeContext& context) {
  RouteSpec route;
  route.method = "POST";
  route.pattern = std::move(pattern);
  route.tag = "generation";
  route.kinds = {ModelKind::decoder};
  route.request_schema = anthropic_request_schema(counts_only);
  add_model_property(route.request_schema, route.kinds, context);
  route.error_statuses = {400, 404, 413, 415, 503};
  route.error_schema = anthropic_error_schema();
  route.refuse = anthropic_error_response;
  return route;
}

}  // namespace

std::vector<RouteSpec> anthropic_routes(const ServeContext& context) {
  RouteSpec message = message_route("/v1/messages", false, context);
  message.id = "create_message";
  message.summary = "Answers a conversation, in Anthropic's form";
  message.response_schema = anthropic_answer_schema();
  message.may_stream = true;
  message.error_statuses.push_back(429);
  message.handle = handle_message;
  RouteSpec count = message_route("/v1/messages/count_tokens", true, context);
  count.id = "count_message_tokens";
  count.summary = "How many tokens such a conversation's prompt has";
  count.response_schema = object_schema({{"input_tokens", {{"type", "integer"}, {"minimum", 0}}}});
  count.handle = handle_count;
  return {std::move(message), std::move(count)};
}

}  // namespace kedge::serve
