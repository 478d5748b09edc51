// POST /v1/chat/completions
#include "serve/chat_job.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

ApiResult<GenerationJob> job_of(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  KEDGE_ASSIGN(ChatRequest request, read_chat_request(body));
  KEDGE_ASSIGN(GenerationJob job, chat_job(context, request, client_of(http)));
  job.format = chat_format(answer_head("chatcmpl-", job), *job.model->engine().tokenizer(), request.logprobs);
  return job;
}

void handle_chat(ServeContext& context, const net::ServerRequest& http, std::shared_ptr<net::Responder> responder) {
  ApiResult<GenerationJob> job = job_of(context, http);
  if (!job.ok()) {
    responder->send(error_response(job.error()));
    return;
  }
  start_generation(context, std::move(job).value(), std::move(responder));
}

}  // namespace

std::vector<RouteSpec> chat_routes(const ServeContext& context) {
  RouteSpec chat;
  chat.method = "POST";
  chat.pattern = "/v1/chat/completions";
  chat.id = "create_chat_completion";
  chat.tag = "generation";
  chat.summary = "Answers a conversation";
  chat.kinds = {ModelKind::decoder};
  chat.request_schema = chat_request_schema();
  add_model_property(chat.request_schema, chat.kinds, context);
  chat.response_schema = chat_answer_schema();
  chat.may_stream = true;
  chat.error_statuses = {400, 404, 413, 415, 429, 503};
  chat.handle = handle_chat;
  return {std::move(chat)};
}

}  // namespace kedge::serve
