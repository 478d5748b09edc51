// POST /v1/chat/completions
#include <limits>

#include "serve/chat_request.h"
#include "serve/constraint_fields.h"
#include "serve/generation.h"
#include "serve/prompt.h"
#include "serve/routes.h"
#include "serve/tool_use.h"
#include "text/chat_template.h"

namespace kedge::serve {

namespace {

ApiResult<GenerationJob> chat_job(const ServeContext& context, const net::ServerRequest& http) {
  GenerationJob job;
  job.arrival = std::chrono::steady_clock::now();
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  KEDGE_ASSIGN(ChatRequest request, read_chat_request(body));
  KEDGE_ASSIGN(job.model, context.models.find(request.options.model));
  KEDGE_TRY(require_decoder(*job.model));
  KEDGE_TRY(prepare_constraint(request.options, *job.model));
  const bool has_form = request.options.request.constraint.has_value();
  KEDGE_ASSIGN(job.tool_syntax, prepare_tools(request, *job.model));
  KEDGE_TRY(prepare_constraint(request.options, *job.model));
  KEDGE_ASSIGN(PreparedPrompt prompt, prepare_chat(request, *job.model));
  const text::ChatTemplate& chat_template = *job.model->engine().chat_template();
  job.reasoning = detect_reasoning(chat_template.source(), prompt.text);
  if (job.reasoning) {
    Request& engine_request = request.options.request;
    const bool open_text = job.tool_syntax && request.tool_choice == ToolChoice::automatic && !has_form;
    if (engine_request.constraint && !open_text) {
      engine_request.constraint = behind_reasoning(*engine_request.constraint, *job.reasoning);
      KEDGE_TRY(prepare_constraint(request.options, *job.model));
    }
    engine_request.skip_special = false;  // the marks may be special tokens
  }
  // An answer may take what is left of the context, unless the client says otherwise.
  KEDGE_ASSIGN(Request engine, engine_request(request.options, std::numeric_limits<uint32_t>::max(),
                                              std::move(prompt.tokens), "messages", *job.model));
  engine.client = client_of(http);
  job.requests.push_back(std::move(engine));
  job.stream = request.options.stream;
  job.include_usage = request.options.include_usage;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  job.format = chat_format({random_id("chatcmpl-"), std::chrono::duration_cast<std::chrono::seconds>(now).count(),
                            job.model->name(), job.model->fingerprint()},
                           *job.model->engine().tokenizer(), request.logprobs);
  return job;
}

void handle_chat(ServeContext& context, const net::ServerRequest& http, std::shared_ptr<net::Responder> responder) {
  ApiResult<GenerationJob> job = chat_job(context, http);
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
