// POST /v1/completions
#include "serve/chat_job.h"
#include "serve/completion_request.h"
#include "serve/constraint_fields.h"
#include "serve/generation.h"
#include "serve/prompt.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

constexpr uint32_t kDefaultNewTokensMax = 16;  // OpenAI's

ApiResult<GenerationJob> completion_job(const ServeContext& context, const net::ServerRequest& http) {
  GenerationJob job;
  job.arrival = std::chrono::steady_clock::now();
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  KEDGE_ASSIGN(CompletionRequest request, read_completion_request(body));
  job.caller = client_of(http);
  KEDGE_TRY(choose_model(context, request.options, *job.caller, job));
  KEDGE_TRY(prepare_constraint(request.options, *job.model));
  for (const Prompt& prompt : request.prompts) {
    KEDGE_ASSIGN(PreparedPrompt prepared, prepare_prompt(prompt, "prompt", *job.model));
    KEDGE_ASSIGN(Request engine, engine_request(request.options, kDefaultNewTokensMax, std::move(prepared.tokens),
                                                "prompt", *job.model));
    engine.client = job.caller->client();
    job.requests.push_back(std::move(engine));
    if (request.echo) job.echo_texts.push_back(std::move(prepared.text));
  }
  job.stream = request.options.stream;
  job.include_usage = request.options.include_usage;
  job.format = completion_format(answer_head("cmpl-", job), *job.model->engine().tokenizer(), request.logprobs >= 0);
  return job;
}

void handle_completion(ServeContext& context, const net::ServerRequest& http,
                       std::shared_ptr<net::Responder> responder) {
  ApiResult<GenerationJob> job = completion_job(context, http);
  if (!job.ok()) {
    responder->send(error_response(job.error()));
    return;
  }
  start_generation(context, std::move(job).value(), std::move(responder));
}

}  // namespace

std::vector<RouteSpec> completion_routes(const ServeContext& context) {
  RouteSpec completion;
  completion.method = "POST";
  completion.pattern = "/v1/completions";
  completion.id = "create_completion";
  completion.tag = "generation";
  completion.summary = "Continues texts";
  completion.kinds = {ModelKind::decoder};
  completion.request_schema = completion_request_schema();
  add_model_property(completion.request_schema, completion.kinds, context);
  completion.response_schema = completion_answer_schema();
  completion.may_stream = true;
  completion.error_statuses = {400, 404, 413, 415, 429, 503};
  completion.handle = handle_completion;
  return {std::move(completion)};
}

}  // namespace kedge::serve
