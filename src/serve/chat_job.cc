#include "serve/chat_job.h"

#include <chrono>
#include <limits>

#include "serve/constraint_fields.h"
#include "serve/tool_use.h"
#include "text/chat_template.h"

namespace kedge::serve {

namespace {

ApiResult<ReasoningLimit> limit_of(const Reasoning& reasoning, int64_t tokens_max, const Tokenizer& tokenizer) {
  ReasoningLimit limit;
  if (!reasoning.begun) limit.begin = reasoning.begin;
  limit.end = reasoning.end;
  limit.tokens_max = static_cast<uint32_t>(tokens_max);
  if (const std::optional<TokenId> whole = tokenizer.find(reasoning.end)) {
    limit.end_tokens = {*whole};
    return limit;
  }
  Result<std::vector<TokenId>> tokens = tokenizer.encode(reasoning.end, {.add_special = false, .parse_special = true});
  if (!tokens.ok()) return api_error(tokens.error());
  limit.end_tokens = std::move(tokens).value();
  return limit;
}

/// Marks of reasoning are looked for in the answer, and a constraint leaves room for them.
ApiStatus prepare_reasoning(const ServeContext& context, GenerationOptions& options, GenerationJob& job,
                            const std::string& prompt, bool open_text) {
  job.reasoning = detect_reasoning(job.model->engine().chat_template()->source(), prompt);
  if (!job.reasoning) return Done{};
  Request& request = options.request;
  if (request.constraint && !open_text) {
    request.constraint = behind_reasoning(*request.constraint, *job.reasoning);
    KEDGE_TRY(prepare_constraint(options, *job.model));
  }
  request.skip_special = false;  // the marks may be special tokens
  const int64_t tokens_max = options.reasoning_tokens_max.value_or(context.reasoning_tokens_max);
  if (tokens_max >= 0) {
    KEDGE_ASSIGN(request.reasoning, limit_of(*job.reasoning, tokens_max, *job.model->engine().tokenizer()));
  }
  return Done{};
}

}  // namespace

ApiResult<RenderedChat> render_chat(ChatRequest& request, ServedModel& model) {
  RenderedChat rendered;
  KEDGE_ASSIGN(rendered.tool_syntax, prepare_tools(request, model));
  KEDGE_ASSIGN(rendered.prompt, prepare_chat(request, model));
  return rendered;
}

ApiResult<GenerationJob> chat_job(const ServeContext& context, ChatRequest& request, Caller caller) {
  GenerationJob job;
  job.arrival = std::chrono::steady_clock::now();
  KEDGE_TRY(choose_model(context, request.options, *caller, job));
  KEDGE_TRY(prepare_constraint(request.options, *job.model));
  const bool has_form = request.options.request.constraint.has_value();
  KEDGE_ASSIGN(RenderedChat rendered, render_chat(request, *job.model));
  KEDGE_TRY(prepare_constraint(request.options, *job.model));
  job.tool_syntax = rendered.tool_syntax;
  const bool open_text = job.tool_syntax && request.tool_choice == ToolChoice::automatic && !has_form;
  KEDGE_TRY(prepare_reasoning(context, request.options, job, rendered.prompt.text, open_text));
  // An answer may take what is left of the context, unless the client says otherwise.
  KEDGE_ASSIGN(Request engine, engine_request(request.options, std::numeric_limits<uint32_t>::max(),
                                              std::move(rendered.prompt.tokens), "messages", *job.model));
  engine.client = caller->client();
  job.caller = std::move(caller);
  job.requests.push_back(std::move(engine));
  job.stream = request.options.stream;
  job.include_usage = request.options.include_usage;
  return job;
}

ApiStatus choose_model(const ServeContext& context, GenerationOptions& options, RequestTrace& caller,
                       GenerationJob& job) {
  KEDGE_ASSIGN(ModelChoice choice, choose_model(context, options.model, caller));
  KEDGE_TRY(require_decoder(*choice.model));
  job.model = choice.model;
  job.model_name = choice.name;
  if (choice.adapter != nullptr) {
    job.adapter_use = std::make_unique<AdapterRegistry::Use>(context.adapters, context.models.target_of(choice.name));
  }
  options.request.adapter = std::move(choice.adapter);
  return Done{};
}

AnswerHead answer_head(std::string_view id_prefix, const GenerationJob& job) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {random_id(id_prefix), std::chrono::duration_cast<std::chrono::seconds>(now).count(), job.model_name,
          job.model->fingerprint()};
}

}  // namespace kedge::serve
