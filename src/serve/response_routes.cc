// /v1/responses: OpenAI's Responses API
#include <fmt/format.h>

#include "serve/answer_schema.h"
#include "serve/chat_job.h"
#include "serve/response_answer.h"
#include "serve/response_request.h"
#include "serve/routes.h"

namespace kedge::serve {

namespace {

/// Takes what a response in the background writes: nobody reads it, and whoever cancels the response is "gone".
class NobodysResponder final : public net::Responder {
 public:
  void send(net::ServerResponse response) override {
    const std::scoped_lock lock(mutex_);
    sent_ = std::move(response);
  }
  void start_stream(net::StreamHead /*head*/) override {}
  bool write(std::string_view /*bytes*/) override { return !gone(); }
  void finish() override {}

  void on_gone(std::function<void()> callback) override {
    {
      const std::scoped_lock lock(mutex_);
      on_gone_ = gone_ ? nullptr : callback;
      if (!gone_) return;
    }
    callback();
  }
  [[nodiscard]] bool gone() const override {
    const std::scoped_lock lock(mutex_);
    return gone_;
  }

  void leave() {
    std::function<void()> callback;
    {
      const std::scoped_lock lock(mutex_);
      gone_ = true;
      callback = std::exchange(on_gone_, nullptr);
    }
    if (callback) callback();
  }

  /// What was sent instead of an answer.
  [[nodiscard]] std::optional<net::ServerResponse> refusal() const {
    const std::scoped_lock lock(mutex_);
    return sent_ && sent_->status >= 400 ? sent_ : std::nullopt;
  }

 private:
  mutable std::mutex mutex_;
  std::function<void()> on_gone_;
  std::optional<net::ServerResponse> sent_;
  bool gone_ = false;
};

ApiError unknown_response(const std::string& id, std::string_view param) {
  ApiError error =
      api_error(404, fmt::format("there is no response '{}': it was never stored, or is no longer kept", id));
  error.param = std::string(param);
  error.code = "response_not_found";
  return error;
}

/// What chat requests call 'messages' is called 'input' here.
ApiError about_input(ApiError error) {
  if (!error.param || !error.param->starts_with("messages")) return error;
  error.param->replace(0, 8, "input");
  if (error.message.starts_with("'messages")) error.message.replace(1, 8, "input");
  return error;
}

void drop_oldest(Json& messages, size_t count) {
  size_t first = 0;
  while (first < messages.size() && messages[first]["role"] == "system") ++first;
  for (; count > 0 && messages.size() > first + 1; --count) messages.erase(messages.begin() + static_cast<long>(first));
}

/// An item as it is listed: with an id, and its text in parts.
void complete_item(Json& item) {
  const bool is_message = item["type"] == "message";
  if (!item.contains("id")) item["id"] = random_id(is_message ? "msg_" : "item_");
  if (!is_message) return;
  item["status"] = "completed";
  if (!item["content"].is_string()) return;
  Json part = {{"type", item["role"] == "assistant" ? "output_text" : "input_text"}, {"text", item["content"]}};
  if (item["role"] == "assistant") part["annotations"] = Json::array();
  item["content"] = Json::array({std::move(part)});
}

/// A request with the conversation that it goes on from.
struct OpenResponse {
  ResponseRequest request;
  Caller caller;
  Json conversation;  // all items, the request's own last
};

ApiResult<OpenResponse> open_response(ServeContext& context, const net::ServerRequest& http, bool counts_only) {
  OpenResponse open;
  KEDGE_ASSIGN(const Json body, read_json_body(http));
  KEDGE_ASSIGN(open.request, read_response_request(body, counts_only));
  open.caller = client_of(http);
  open.conversation = Json::array();
  const std::string& previous = open.request.previous_id;
  if (!previous.empty()) {
    const std::optional<StoredResponse> stored = context.responses.find(previous, open.caller->client());
    if (!stored) return unknown_response(previous, "previous_response_id");
    if (stored->cancel) {
      return wrong_field("previous_response_id",
                         fmt::format("'previous_response_id': the response '{}' is not finished", previous));
    }
    open.conversation = stored->conversation;
  }
  for (Json& item : open.request.input) {
    complete_item(item);
    open.conversation.push_back(item);
  }
  Json& messages = open.request.chat.messages;
  if (!open.request.instructions.empty()) {
    messages.push_back({{"role", "system"}, {"content", open.request.instructions}});
  }
  KEDGE_TRY(add_item_messages(open.conversation, "input", messages));
  return open;
}

/// chat_job, with fewer of the oldest messages where the request says so and the context is full.
ApiResult<GenerationJob> job_that_fits(const ServeContext& context, OpenResponse& open) {
  ChatRequest& chat = open.request.chat;
  for (size_t dropped = 1;; dropped *= 2) {
    ChatRequest attempt = chat;
    ApiResult<GenerationJob> job = chat_job(context, attempt, open.caller);
    if (job.ok()) return job;
    const bool full = job.error().code == "context_length_exceeded";
    const size_t before = chat.messages.size();
    if (full && open.request.drops_oldest) drop_oldest(chat.messages, dropped);
    if (chat.messages.size() == before) return about_input(job.error());
  }
}

Json response_json(const OpenResponse& open, const GenerationJob& job) {
  const ResponseRequest& request = open.request;
  const Request& engine = job.requests.front();
  const AnswerHead head = answer_head("resp_", job);
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  const std::optional<uint32_t> most = request.chat.options.new_tokens_max;
  Json json = {{"id", head.id},
               {"object", "response"},
               {"created_at", head.created},
               {"completed_at", nullptr},
               {"status", "in_progress"},
               {"background", request.background},
               {"error", nullptr},
               {"incomplete_details", nullptr},
               {"instructions", or_null(request.instructions)},
               {"max_output_tokens", most ? Json(*most) : Json(nullptr)},
               {"max_tool_calls", nullptr},
               {"model", head.model},
               {"output", Json::array()},
               {"parallel_tool_calls", request.chat.parallel_tool_calls},
               {"previous_response_id", or_null(request.previous_id)},
               {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
               {"service_tier", "default"},
               {"store", request.store},
               {"temperature", engine.sampling.temperature},
               {"text", {{"format", {{"type", "text"}}}}},
               {"tool_choice", "auto"},
               {"tools", Json::array()},
               {"top_logprobs", request.chat.top_logprobs},
               {"top_p", engine.sampling.top_p},
               {"truncation", "disabled"},
               {"usage", nullptr},
               {"user", nullptr},
               {"metadata", Json::object()}};
  for (const auto& [name, value] : request.echo.items()) {
    const bool is_part = value.is_object() && (name == "text" || name == "reasoning");
    if (is_part) {
      json[name].update(value);
    } else {
      json[name] = value;
    }
  }
  return json;
}

/// A finished response with its conversation goes into the store.
void keep_response(ServeContext& context, const OpenResponse& open, const Json& response) {
  const std::string id = response["id"].get<std::string>();
  Json conversation = open.conversation;
  for (const Json& item : response["output"]) conversation.push_back(item);
  if (open.request.background) {
    context.responses.complete(id, response, std::move(conversation));
  } else {
    context.responses.put(id, {open.caller->client(), response, open.request.input, std::move(conversation), nullptr});
  }
}

void run_in_background(ServeContext& context, GenerationJob job, const OpenResponse& open, Json response,
                       net::Responder& responder) {
  const std::string id = response["id"].get<std::string>();
  const auto nobody = std::make_shared<NobodysResponder>();
  response["status"] = "queued";
  context.responses.put(
      id, {open.caller->client(), response, open.request.input, open.conversation, [nobody] { nobody->leave(); }});
  start_generation(context, std::move(job), nobody);
  if (const std::optional<net::ServerResponse> refusal = nobody->refusal()) {
    context.responses.erase(id, open.caller->client());
    responder.send(*refusal);
    return;
  }
  responder.send(json_response(response));
}

void handle_create(ServeContext& context, const net::ServerRequest& http, std::shared_ptr<net::Responder> responder) {
  ApiResult<OpenResponse> read = open_response(context, http, false);
  if (!read.ok()) return responder->send(error_response(read.error()));
  const auto open = std::make_shared<OpenResponse>(std::move(read).value());
  ApiResult<GenerationJob> made = job_that_fits(context, *open);
  if (!made.ok()) return responder->send(error_response(made.error()));
  GenerationJob job = std::move(made).value();
  ResponseHead head;
  head.response = response_json(*open, job);
  head.tokenizer = job.model->engine().tokenizer();
  head.logprobs = open->request.chat.logprobs;
  head.background = open->request.background;
  if (open->request.store) {
    head.keep = [&context, open](const Json& response) { keep_response(context, *open, response); };
  }
  Json response = head.response;
  job.writer = response_writer(std::move(head));
  if (open->request.background) {
    run_in_background(context, std::move(job), *open, std::move(response), *responder);
  } else {
    start_generation(context, std::move(job), std::move(responder));
  }
}

ApiResult<Json> input_token_count(ServeContext& context, const net::ServerRequest& http) {
  KEDGE_ASSIGN(OpenResponse open, open_response(context, http, true));
  KEDGE_ASSIGN(const ModelChoice choice, choose_model(context, open.request.chat.options.model, *open.caller));
  KEDGE_TRY(require_decoder(*choice.model));
  ApiResult<RenderedChat> rendered = render_chat(open.request.chat, *choice.model);
  if (!rendered.ok()) return about_input(rendered.error());
  return Json{{"object", "response.input_tokens"}, {"input_tokens", rendered.value().prompt.tokens.size()}};
}

std::string id_of(const net::ServerRequest& http) {
  const std::string* id = net::find_value(http.parameters, "response_id");
  return id != nullptr ? *id : std::string();
}

ApiResult<Json> retrieved(ServeContext& context, const net::ServerRequest& http) {
  const std::string* stream = net::find_value(http.query, "stream");
  if (stream != nullptr && *stream == "true") {
    return wrong_field("stream", "'stream': a stored response is only given whole; ask again until it is finished");
  }
  const std::optional<StoredResponse> stored = context.responses.find(id_of(http), client_of(http)->client());
  if (!stored) return unknown_response(id_of(http), "response_id");
  return stored->response;
}

ApiResult<Json> cancelled(ServeContext& context, const net::ServerRequest& http) {
  std::optional<Json> response = context.responses.cancel(id_of(http), client_of(http)->client());
  if (!response) return unknown_response(id_of(http), "response_id");
  if ((*response)["background"] == true) return std::move(*response);
  return wrong_field("response_id", "'response_id': only responses in the background can be cancelled");
}

ApiResult<Json> erased(ServeContext& context, const net::ServerRequest& http) {
  const std::string id = id_of(http);
  if (!context.responses.erase(id, client_of(http)->client())) return unknown_response(id, "response_id");
  return Json{{"id", id}, {"object", "response"}, {"deleted", true}};
}

constexpr size_t kListMax = 100;
constexpr size_t kListDefault = 20;

ApiResult<Json> input_items(ServeContext& context, const net::ServerRequest& http) {
  const std::optional<StoredResponse> stored = context.responses.find(id_of(http), client_of(http)->client());
  if (!stored) return unknown_response(id_of(http), "response_id");
  size_t limit = kListDefault;
  if (const std::string* given = net::find_value(http.query, "limit")) {
    const Result<Json> number = parse_json(*given, "limit");
    KEDGE_ASSIGN(const int64_t read, read_integer(number.ok() ? number.value() : Json(*given), "limit", 1, kListMax));
    limit = static_cast<size_t>(read);
  }
  std::string order = "desc";
  if (const std::string* given = net::find_value(http.query, "order")) {
    KEDGE_ASSIGN(order, read_choice(*given, "order", {"asc", "desc"}));
  }
  std::vector<Json> items(stored->input.begin(), stored->input.end());
  if (order == "desc") std::reverse(items.begin(), items.end());
  auto first = items.begin();
  if (const std::string* after = net::find_value(http.query, "after")) {
    const auto found = std::find_if(first, items.end(), [&](const Json& item) { return item["id"] == *after; });
    if (found == items.end()) return wrong_field("after", fmt::format("'after': there is no item '{}'", *after));
    first = found + 1;
  }
  const auto left = static_cast<size_t>(items.end() - first);
  Json list = {{"object", "list"}, {"data", Json::array()}, {"first_id", nullptr}, {"last_id", nullptr}};
  for (size_t i = 0; i < std::min(limit, left); ++i) list["data"].push_back(first[static_cast<long>(i)]);
  list["has_more"] = left > limit;
  if (!list["data"].empty()) {
    list["first_id"] = list["data"].front()["id"];
    list["last_id"] = list["data"].back()["id"];
  }
  return list;
}

RouteSpec stored_route(std::string method, std::string pattern, std::string id,
                       ApiResult<Json> (*answer)(ServeContext&, const net::ServerRequest&)) {
  RouteSpec route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.id = std::move(id);
  route.tag = "responses";
  route.response_schema = response_schema();
  route.error_statuses = {400, 404};
  route.handle = [answer](ServeContext& context, const net::ServerRequest& http,
                          const std::shared_ptr<net::Responder>& responder) {
    const ApiResult<Json> json = answer(context, http);
    responder->send(json.ok() ? json_response(json.value()) : error_response(json.error()));
  };
  return route;
}

std::vector<RouteSpec> stored_routes() {
  RouteSpec one = stored_route("GET", "/v1/responses/{response_id}", "retrieve_response", retrieved);
  one.summary = "A stored response";
  RouteSpec gone = stored_route("DELETE", "/v1/responses/{response_id}", "delete_response", erased);
  gone.summary = "Forgets a response";
  gone.response_schema = object_schema(
      {{"id", {{"type", "string"}}}, {"object", {{"const", "response"}}}, {"deleted", {{"const", true}}}});
  RouteSpec cancel = stored_route("POST", "/v1/responses/{response_id}/cancel", "cancel_response", cancelled);
  cancel.summary = "Ends a response in the background";
  RouteSpec items =
      stored_route("GET", "/v1/responses/{response_id}/input_items", "list_response_input_items", input_items);
  items.summary = "What a response was asked";
  items.response_schema = object_schema({{"object", {{"const", "list"}}},
                                         {"data", array_schema({{"type", "object"}})},
                                         {"has_more", {{"type", "boolean"}}}});
  return {std::move(one), std::move(gone), std::move(cancel), std::move(items)};
}

}  // namespace

std::vector<RouteSpec> response_routes(const ServeContext& context) {
  RouteSpec create;
  create.method = "POST";
  create.pattern = "/v1/responses";
  create.id = "create_response";
  create.tag = "responses";
  create.summary = "Answers a text or a conversation, in the form of the Responses API";
  create.kinds = {ModelKind::decoder};
  create.request_schema = response_request_schema(false);
  add_model_property(create.request_schema, create.kinds, context);
  create.response_schema = response_schema();
  create.may_stream = true;
  create.error_statuses = {400, 404, 413, 415, 429, 503};
  create.handle = handle_create;
  RouteSpec count = stored_route("POST", "/v1/responses/input_tokens", "count_response_tokens", input_token_count);
  count.summary = "How many tokens such a request's prompt has";
  count.kinds = {ModelKind::decoder};
  count.request_schema = response_request_schema(true);
  add_model_property(count.request_schema, count.kinds, context);
  count.response_schema = object_schema(
      {{"object", {{"const", "response.input_tokens"}}}, {"input_tokens", {{"type", "integer"}, {"minimum", 0}}}});
  count.error_statuses = {400, 404, 413, 415, 503};
  std::vector<RouteSpec> routes = stored_routes();
  routes.push_back(std::move(create));
  routes.push_back(std::move(count));
  return routes;
}

}  // namespace kedge::serve
