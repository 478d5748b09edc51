// POST /tokenize and /detokenize, in vLLM's and llama-server's spellings.
#include <fmt/format.h>

#include "serve/answer_schema.h"
#include "serve/chat_job.h"
#include "serve/completion_request.h"
#include "serve/fields.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

const std::vector<ModelKind> kAllKinds = {ModelKind::decoder, ModelKind::embedder, ModelKind::reranker};

struct TokenizeRequest {
  std::string model;
  std::optional<bool> add_special;  // absent: true for a prompt, false for a content or messages
  bool token_texts = false;
};

const Fields<TokenizeRequest>& tokenize_fields() {
  using Request = TokenizeRequest;
  static const Fields<Request> kFields = {
      string_field<Request>("model", "A name from /v1/models; may be left out when there is only one.",
                            [](Request& r, std::string name) { r.model = std::move(name); }),
      boolean_field<Request>(
          "add_special_tokens",
          "Add the tokenizer's own, such as BOS. Left out: to a prompt only; a template writes its own.",
          [](Request& r, bool on) { r.add_special = on; }),
      boolean_field<Request>("add_special", "llama-server's name for the same.",
                             [](Request& r, bool on) { r.add_special = on; }),
      boolean_field<Request>("return_token_strs", "Give the tokens as the vocabulary spells them, too.",
                             [](Request& r, bool on) { r.token_texts = on; }),
  };
  return kFields;
}

ApiResult<const Tokenizer*> tokenizer_of(ServedModel& model) {
  const Tokenizer* const tokenizer = model.engine().tokenizer();
  if (tokenizer != nullptr) return tokenizer;
  return api_error(500, fmt::format("the model '{}' was loaded without a tokenizer", model.name()));
}

/// Which of the three spellings the body has.
ApiResult<std::string> text_field(const Json& body) {
  std::string found;
  for (const char* name : {"prompt", "messages", "content"}) {
    if (!body.contains(name)) continue;
    if (!found.empty()) return wrong_field(name, fmt::format("'{}' and '{}' exclude each other", found, name));
    found = name;
  }
  if (found.empty()) return wrong_field("prompt", "'prompt' is missing; send it, or 'messages', or 'content'");
  return found;
}

ApiResult<std::vector<TokenId>> encode(const Tokenizer& tokenizer, const std::string& text, bool add_special,
                                       const std::string& param) {
  Result<std::vector<TokenId>> tokens = tokenizer.encode(text, {.add_special = add_special, .parse_special = true});
  if (!tokens.ok()) return api_error(tokens.error(), param);
  return std::move(tokens).value();
}

ApiResult<std::vector<TokenId>> tokens_of(const Json& body, const TokenizeRequest& request, ServedModel& model) {
  KEDGE_ASSIGN(const Tokenizer* const tokenizer, tokenizer_of(model));
  KEDGE_ASSIGN(const std::string field, text_field(body));
  if (field != "messages") {
    KEDGE_ASSIGN(const std::string text, read_string(body[field], field));
    return encode(*tokenizer, text, request.add_special.value_or(field == "prompt"), field);
  }
  KEDGE_TRY(require_decoder(model));
  KEDGE_ASSIGN(ChatRequest chat, read_chat_request(body));
  KEDGE_ASSIGN(RenderedChat rendered, render_chat(chat, model));
  if (!request.add_special.value_or(false)) return std::move(rendered.prompt.tokens);
  return encode(*tokenizer, rendered.prompt.text, true, field);
}

ApiResult<Json> tokenize(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  TokenizeRequest request;
  KEDGE_TRY(read_fields(body, tokenize_fields(), request));
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, request.model, *client_of(http)));
  ServedModel* const model = choice.model;
  KEDGE_ASSIGN(const std::vector<TokenId> tokens, tokens_of(body, request, *model));
  Json texts = nullptr;
  if (request.token_texts) {
    texts = Json::array();
    for (const TokenId token : tokens) texts.push_back(model->engine().tokenizer()->token_text(token));
  }
  return Json{{"count", tokens.size()},
              {"max_model_len", model->context_tokens()},
              {"tokens", tokens},
              {"token_strs", std::move(texts)}};
}

struct DetokenizeRequest {
  std::string model;
  std::vector<TokenId> tokens;
};

const Fields<DetokenizeRequest>& detokenize_fields() {
  using Request = DetokenizeRequest;
  static const Fields<Request> kFields = {
      string_field<Request>("model", "A name from /v1/models; may be left out when there is only one.",
                            [](Request& r, std::string name) { r.model = std::move(name); }),
      required(Field<Request>{"tokens", false, token_ids_schema(0, kPromptTokensMax, "Token ids."),
                              [](const Json& value, const std::string& path, Request& request) -> ApiStatus {
                                KEDGE_ASSIGN(request.tokens, read_token_ids(value, path, kPromptTokensMax));
                                return Done{};
                              }}),
  };
  return kFields;
}

ApiResult<Json> detokenize(const ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  DetokenizeRequest request;
  KEDGE_TRY(read_fields(body, detokenize_fields(), request));
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, request.model, *client_of(http)));
  ServedModel* const model = choice.model;
  KEDGE_ASSIGN(const Tokenizer* const tokenizer, tokenizer_of(*model));
  const auto end = static_cast<int64_t>(tokenizer->vocabulary_size());
  for (size_t i = 0; i < request.tokens.size(); ++i) {
    if (request.tokens[i] < end) continue;
    return wrong_field(item_path("tokens", i), fmt::format("'{}' is {}; the model's vocabulary ends at {}",
                                                           item_path("tokens", i), request.tokens[i], end - 1));
  }
  const std::string text = tokenizer->decode(request.tokens, false);
  return Json{{"prompt", text}, {"content", text}};
}

RouteSpec route_of(const std::string& name, ApiResult<Json> (*answer)(const ServeContext&, const net::ServerRequest&)) {
  RouteSpec route;
  route.method = "POST";
  route.pattern = "/" + name;
  route.id = name;
  route.tag = "tokens";
  route.kinds = kAllKinds;
  route.request_schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  route.error_statuses = {400, 404, 413, 415, 503};
  route.handle = [answer](ServeContext& context, const net::ServerRequest& http,
                          const std::shared_ptr<net::Responder>& responder) {
    const ApiResult<Json> json = answer(context, http);
    responder->send(json.ok() ? json_response(json.value()) : error_response(json.error()));
  };
  return route;
}

/// A text, or a conversation with the fields of a chat where some model takes one.
Json tokenize_schema(const ServeContext& context) {
  Json forms = Json::array();
  const auto add_form = [&](const std::string& name, Json form) {
    form["required"] = Json::array({name});
    for (const char* other : {"prompt", "content", "messages"}) {
      if (other != name) form["not"]["anyOf"].push_back({{"required", Json::array({other})}});
    }
    forms.push_back(std::move(form));
  };
  add_form("prompt", {{"properties", {{"prompt", string_schema("A text.")}}}});
  add_form("content", {{"properties",
                        {{"content", string_schema("llama-server's name for it; no special tokens are "
                                                   "added.")}}}});
  if (!models_of({ModelKind::decoder}, context).empty()) {
    Json chat = chat_request_schema();
    chat["properties"].erase("model");
    add_form("messages", std::move(chat));
  }
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  add_properties(schema, tokenize_fields());
  schema["anyOf"] = std::move(forms);
  return schema;
}

}  // namespace

std::vector<RouteSpec> token_routes(const ServeContext& context) {
  const Json text = {{"type", "string"}};
  const Json count = {{"type", "integer"}, {"minimum", 0}};
  Json texts = array_schema(text);
  texts["type"] = Json::array({"array", "null"});
  RouteSpec to_tokens = route_of("tokenize", tokenize);
  to_tokens.summary = "The token ids of a text or of a conversation";
  to_tokens.request_schema = tokenize_schema(context);
  to_tokens.response_schema = object_schema(
      {{"count", count}, {"max_model_len", count}, {"tokens", array_schema(count)}, {"token_strs", texts}});
  RouteSpec to_text = route_of("detokenize", detokenize);
  to_text.summary = "The text of token ids";
  add_properties(to_text.request_schema, detokenize_fields());
  to_text.response_schema = object_schema({{"prompt", text}, {"content", text}});
  for (RouteSpec* route : {&to_tokens, &to_text}) add_model_property(route->request_schema, kAllKinds, context);
  return {std::move(to_tokens), std::move(to_text)};
}

}  // namespace kedge::serve
