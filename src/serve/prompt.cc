#include "serve/prompt.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "serve/beam_fields.h"
#include "text/chat_template.h"

namespace kedge::serve {

namespace {

std::string token_text(const Tokenizer& tokenizer, std::optional<TokenId> token) {
  return token ? std::string(tokenizer.token_text(*token)) : std::string();
}

ApiResult<const Tokenizer*> tokenizer_of(ServedModel& model) {
  const Tokenizer* tokenizer = model.engine().tokenizer();
  if (tokenizer != nullptr) return tokenizer;
  return api_error(500, fmt::format("the model '{}' was loaded without a tokenizer", model.name()));
}

ApiStatus check_vocabulary(const std::vector<TokenId>& tokens, const std::string& param, int64_t vocabulary_size) {
  for (const TokenId token : tokens) {
    if (token < 0 || token >= vocabulary_size) {
      return wrong_field(param, fmt::format("'{}' has the token id {}; the model's vocabulary ends at {}", param, token,
                                            vocabulary_size - 1));
    }
  }
  return Done{};
}

}  // namespace

ApiResult<PreparedPrompt> prepare_chat(const ChatRequest& request, ServedModel& model) {
  KEDGE_ASSIGN(const Tokenizer* tokenizer, tokenizer_of(model));
  const text::ChatTemplate* chat_template = model.engine().chat_template();
  if (chat_template == nullptr) {
    return wrong_field("model", fmt::format("the model '{}' has no chat template; use /v1/completions, or start the "
                                            "server with --chat-template FILE",
                                            model.name()));
  }
  TemplateContext context;
  context.bos_token = token_text(*tokenizer, tokenizer->bos());
  context.eos_token = token_text(*tokenizer, tokenizer->eos());
  context.date = fmt::format("{:%Y-%m-%d}", fmt::localtime(std::time(nullptr)));
  context.template_source = chat_template->source();
  Result<std::string> text = chat_template->render(template_variables(request, context));
  if (!text.ok()) return api_error(text.error(), "messages");
  // The template has written BOS itself, where the model wants one.
  Result<std::vector<TokenId>> tokens = tokenizer->encode(text.value(), {.add_special = false, .parse_special = true});
  if (!tokens.ok()) return api_error(tokens.error(), "messages");
  if (tokens.value().empty()) return wrong_field("messages", "'messages' make an empty prompt");
  return PreparedPrompt{std::move(text).value(), std::move(tokens).value()};
}

ApiResult<PreparedPrompt> prepare_prompt(const Prompt& prompt, const std::string& param, ServedModel& model) {
  KEDGE_ASSIGN(const Tokenizer* tokenizer, tokenizer_of(model));
  PreparedPrompt prepared;
  if (const auto* ids = std::get_if<std::vector<TokenId>>(&prompt)) {
    KEDGE_TRY(check_vocabulary(*ids, param, model.engine().info().vocabulary_size));
    prepared.tokens = *ids;
    prepared.text = tokenizer->decode(*ids, true);
    return prepared;
  }
  prepared.text = std::get<std::string>(prompt);
  Result<std::vector<TokenId>> tokens = tokenizer->encode(prepared.text, {.add_special = true, .parse_special = true});
  if (!tokens.ok()) return api_error(tokens.error(), param);
  prepared.tokens = std::move(tokens).value();
  if (prepared.tokens.empty()) {
    // An empty text to a model that begins without BOS: let it begin where a text ends.
    const std::optional<TokenId> start = tokenizer->bos() ? tokenizer->bos() : tokenizer->eos();
    if (!start) return wrong_field(param, fmt::format("'{}' has no tokens", param));
    prepared.tokens.push_back(*start);
  }
  return prepared;
}

ApiResult<Request> engine_request(const GenerationOptions& options, uint32_t default_new_tokens_max,
                                  std::vector<TokenId> tokens, const std::string& param, ServedModel& model) {
  KEDGE_TRY(check_token_ids(options.request, model.engine().info().vocabulary_size));
  const int64_t context = model.context_tokens();
  const int64_t wanted =
      options.completion_tokens_max.value_or(options.new_tokens_max.value_or(default_new_tokens_max));
  const auto prompt_size = static_cast<int64_t>(tokens.size());
  const int64_t left = context - prompt_size;
  if (left < std::min<int64_t>(wanted, 1)) {
    ApiError error =
        // The words are OpenAI's: gateways look for them, to try a model with a longer context.
        wrong_field(param, fmt::format("This model's maximum context length is {} tokens, for prompt and answer "
                                       "together; '{}' makes {} ('{}')",
                                       context, param, prompt_size, model.name()));
    error.code = "context_length_exceeded";
    return error;
  }
  Request request = options.request;
  request.prompt_tokens = std::move(tokens);
  request.new_tokens_max = static_cast<uint32_t>(std::min(wanted, left));
  KEDGE_TRY(set_beams(options, request));
  return request;
}

ApiStatus require_decoder(ServedModel& model) {
  switch (model.engine().info().kind) {
    case ModelKind::decoder:
      return Done{};
    case ModelKind::embedder:
      return wrong_field("model", fmt::format("'{}' is an embedding model: use /v1/embeddings", model.name()));
    case ModelKind::reranker:
      return wrong_field("model", fmt::format("'{}' is a ranking model: use /v1/ranking", model.name()));
  }
  return Done{};
}

}  // namespace kedge::serve
