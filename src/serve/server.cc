#include "serve/server.h"

#include <fmt/format.h>

#include <future>
#include <latch>
#include <map>
#include <set>

#include "serve/adapter_folder.h"
#include "serve/fields.h"
#include "serve/request_trace.h"
#include "serve/routes.h"
#include "serve/version.h"
#include "serve/watchdog.h"

namespace kedge::serve {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPlainKeyName = "default";  // of the one key that comes without a file

/// Finds the key that a request brings and counts it. Fails with 401 or 429.
ApiStatus check_key(const ServeContext& context, const RouteSpec& route, const net::ServerRequest& request) {
  if (!route.needs_key || !context.keys.asks()) return Done{};
  const std::string_view key = key_in(request.headers);
  std::shared_ptr<KeyAccount> account = key.empty() ? nullptr : context.keys.find(key);
  if (!account) {
    ApiError error = api_error(401, "this server asks for an API key; send it as 'Authorization: Bearer KEY'");
    error.code = "invalid_api_key";
    return error;
  }
  client_of(request)->set_account(account);
  return route.kinds.empty() ? ApiStatus(Done{}) : account->take_request(KeyAccount::Clock::now());
}

/// Why a request is refused before its handler sees it.
ApiStatus check(const ServeContext& context, const RouteSpec& route, const net::ServerRequest& request) {
  KEDGE_TRY(check_key(context, route, request));
  if (!route.kinds.empty() && context.draining) {
    ApiError error = api_error(503, "the server is shutting down and takes no new requests");
    error.code = "shutting_down";
    return error;
  }
  return Done{};
}

/// The model that the request is for, where that may have to be loaded. Null: no, or its handler says what is wrong.
ServedModel* model_to_load(const ServeContext& context, const RouteSpec& route, const net::ServerRequest& request,
                           ApiStatus& allowed) {
  if (!context.store || route.kinds.empty()) return nullptr;
  std::string name;
  if (const std::string* const in_path = net::find_value(request.parameters, "model")) {
    name = *in_path;
  } else {
    const ApiResult<Json> body = read_json_body(request);
    if (!body.ok()) return nullptr;
    const auto field = body.value().find("model");
    if (field != body.value().end() && field->is_string()) name = field->get<std::string>();
  }
  const ApiResult<ServedModel*> model = model_behind(context, name);
  if (!model.ok() || model.value()->pinned()) return nullptr;
  allowed = client_of(request)->allow(name, context.models.target_of(name));
  return model.value();
}

/// gen_ai.operation.name of a route; empty: no model answers it, or nobody named what it does.
std::string operation_of(const RouteSpec& route) {
  static const std::map<std::string_view, const char*> kNames = {{"create_chat_completion", "chat"},
                                                                 {"create_response", "chat"},
                                                                 {"create_message", "chat"},
                                                                 {"create_completion", "text_completion"},
                                                                 {"create_embeddings", "embeddings"},
                                                                 {"rank_passages", "rerank"},
                                                                 {"rank_passages_of_model", "rerank"},
                                                                 {"rerank", "rerank"},
                                                                 {"rerank_v2", "rerank"},
                                                                 {"rerank_plain", "rerank"}};
  const auto found = kNames.find(route.id);
  return found == kNames.end() ? std::string() : found->second;
}

class ApiServer final : public Server {
 public:
  ~ApiServer() override {
    if (http_) drain(std::chrono::milliseconds(0));
    if (warm_up_.valid()) warm_up_.wait();
  }

  Status start(std::vector<ServedEngine> engines, ServerOptions options) {
    for (ServedEngine& served : engines) {
      KEDGE_TRY(
          context_.models.add(std::move(served.name), std::move(served.engine), options.queue_max, context_.metrics));
    }
    context_.log = options.log;
    context_.reasoning_tokens_max = options.reasoning_tokens_max;
    if (!options.otlp.endpoint.empty()) {
      KEDGE_ASSIGN(exporter_, OtlpExporter::start(options.otlp, options.log, context_.metrics));
      context_.spans = [exporter = exporter_](RequestSpan span) { exporter->add(std::move(span)); };
    }
    if (options.asks_for_key || !options.api_key.empty() || !options.api_keys.empty()) context_.keys.ask();
    plain_key_ = options.api_key;
    set_api_keys(std::move(options.api_keys));
    const auto tell = options.tell ? options.tell : [](const std::string&) {};
    KEDGE_TRY(start_store(options, tell));
    start_adapters(options, tell);
    KEDGE_TRY(add_aliases(options));
    options.http.headers.push_back({"Server", fmt::format("kedge/{}", kVersion)});
    options.http.headers.push_back({"X-Content-Type-Options", "nosniff"});
    watch(options);
    KEDGE_ASSIGN(http_, net::HttpServer::start(options.http, make_router(), make_hooks()));
    context_.post = [this](std::function<void()> task) { http_->post(std::move(task)); };
    context_.metrics.gauge("kedge_http_connections", "Connections that are open.", {},
                           [http = http_.get()] { return static_cast<double>(http->connection_count()); });
    complete_.count_down();
    warm_up_ = std::async(std::launch::async, [this] { return warm_up(); }).share();
    return Done{};
  }

  [[nodiscard]] uint16_t port() const override { return http_->port(); }
  Status wait_until_ready() override { return warm_up_.get(); }

  Status reload_tls() override { return http_->reload_tls(); }

  void set_api_keys(std::vector<ApiKey> keys) override {
    if (!plain_key_.empty()) {
      ApiKey plain;
      plain.name = kPlainKeyName;
      plain.hash = hash_of_key(plain_key_);
      plain.priority_min = kPriorityOfAll;
      keys.push_back(std::move(plain));
    }
    context_.keys.replace(std::move(keys), context_.metrics);
  }

  Status refresh_models() override { return context_.store ? context_.store->refresh() : Status(Done{}); }

  void refresh_adapters() override {
    if (adapter_folder_) adapter_folder_->refresh();
  }

  bool drain(std::chrono::milliseconds grace) override {
    adapter_folder_.reset();
    context_.draining = true;
    const Clock::time_point deadline = Clock::now() + grace;
    const bool finished = context_.active.wait_for_none(deadline);
    if (context_.store) context_.store->stop_waiting();
    if (!finished) context_.responses.cancel_all();  // nobody's connection ends these
    // What has finished computing may still be on its way out.
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    http_->stop(std::max(left, std::chrono::milliseconds(0)));
    context_.active.wait_for_none(Clock::time_point::max());
    return finished;
  }

 private:
  Status start_store(const ServerOptions& options, const std::function<void(const std::string&)>& tell) {
    if (options.models.folder.empty()) return Done{};
    uint64_t pinned = 0;
    for (ServedModel* const model : context_.models.all()) pinned += model->plan().total_bytes();
    if (options.models.bytes_max > 0 && pinned > options.models.bytes_max) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("--models-max-bytes: the models that stay loaded take {} bytes, and it allows {}",
                               pinned, options.models.bytes_max)};
    }
    ModelStore::Hooks hooks;
    hooks.tell = tell;
    hooks.on_loaded = [this](ServedModel& model) {
      context_.adapters.reload_for(model);
      if (watchdog_ && watched_.insert(&model).second) watchdog_->add(watched(model));
    };
    hooks.on_unloaded = [this](ServedModel& model) { context_.adapters.drop_for(model); };
    context_.store = std::make_unique<ModelStore>(options.models, options.queue_max, context_.models, context_.metrics,
                                                  std::move(hooks));
    context_.adapters.set_use([this](ServedModel& model) { return context_.store->use_if_loaded(model); });
    return context_.store->refresh();
  }

  /// Of what is there, unless more may come.
  Status add_aliases(const ServerOptions& options) {
    for (const ModelAlias& alias : options.aliases) {
      KEDGE_TRY(context_.models.add_alias(alias));
      if (context_.names_change()) continue;
      if (const ApiResult<ServedModel*> model = context_.models.find(alias.target); !model.ok()) {
        return Error{ErrorKind::invalid_input,
                     fmt::format("--alias {}={}: {}", alias.name, alias.target, model.error().message)};
      }
    }
    return Done{};
  }

  static Watchdog::Watched watched(ServedModel& model) {
    return {model.name(), [&model] { return model.stats().running_step_seconds; }};
  }

  /// One that cannot be loaded is told of, and keeps nobody else from being served.
  void start_adapters(const ServerOptions& options, const std::function<void(const std::string&)>& tell) {
    context_.adapters.set_count_max(options.adapters_max);
    context_.slot_folder = options.slot_folder;
    context_.adapters_by_api = options.adapters_by_api;
    context_.takes_adapters = options.adapters_by_api || !options.adapters.empty() || !options.adapter_source.empty();
    if (!context_.takes_adapters) return;
    context_.metrics.gauge("kedge_lora_adapters", "LoRA adapters that are loaded.", {},
                           [this] { return static_cast<double>(context_.adapters.all().size()); });
    context_.metrics.gauge("kedge_lora_bytes", "Memory of the LoRA adapters.", {}, [this] {
      double bytes = 0;
      for (const ServedAdapter& adapter : context_.adapters.all()) {
        bytes += static_cast<double>(adapter.adapter == nullptr ? 0 : adapter.adapter->info().bytes);
      }
      return bytes;
    });
    for (const auto& [name, path] : options.adapters) {
      const Status status = context_.adapters.load(name, path, false);
      if (!status.ok()) tell(fmt::format("adapter '{}' is refused: {}", name, status.error().message));
    }
    if (options.adapter_source.empty()) return;
    adapter_folder_ =
        std::make_unique<AdapterFolder>(options.adapter_source, options.adapter_refresh, context_.adapters, tell);
  }

  void watch(const ServerOptions& options) {
    if (options.step_time_max.count() == 0) return;
    std::vector<Watchdog::Watched> pinned;
    for (ServedModel* const model : context_.models.all()) {
      if (model->pinned()) pinned.push_back(watched(*model));
    }
    watchdog_.emplace(std::move(pinned), options.step_time_max, options.log, context_.metrics);
    context_.stalled = [this] { return watchdog_->stalled(); };
  }

  net::Router make_router() {
    net::Router router;
    for (RouteSpec& route : all_routes(context_)) {
      const std::string method = route.method;
      const std::string pattern = route.pattern;
      router.add(
          method, pattern,
          [this, route = std::move(route)](net::ServerRequest request, std::shared_ptr<net::Responder> responder) {
            complete_.wait();
            if (const ApiStatus allowed = check(context_, route, request); !allowed.ok()) {
              responder->send(route.refuse(allowed.error()));
            } else {
              handle(route, std::move(request), std::move(responder));
            }
          });
    }
    return router;
  }

  /// Runs the handler, when the model is loaded that the request is for.
  void handle(const RouteSpec& route, net::ServerRequest request, std::shared_ptr<net::Responder> responder) {
    if (context_.spans) client_of(request)->set_operation(operation_of(route));
    ApiStatus allowed = Done{};
    ServedModel* const model = model_to_load(context_, route, request, allowed);
    if (!allowed.ok()) return responder->send(route.refuse(allowed.error()));
    if (model == nullptr) return route.handle(context_, std::move(request), std::move(responder));
    struct Waiting {
      ActiveRequests::Guard active;
      const RouteSpec& route;  // the router's
      net::ServerRequest request;
      std::shared_ptr<net::Responder> responder;
    };
    const auto waiting =
        std::make_shared<Waiting>(Waiting{context_.active.enter(), route, std::move(request), std::move(responder)});
    const auto ready = [this, waiting](ApiResult<ModelUse> use) {
      if (!use.ok()) return waiting->responder->send(waiting->route.refuse(use.error()));
      client_of(waiting->request)->hold(std::move(use).value());
      context_.post([this, waiting] {
        waiting->route.handle(context_, std::move(waiting->request), std::move(waiting->responder));
      });
    };
    context_.store->use(*model, {ready, [responder_of = waiting] { return responder_of->responder->gone(); }});
  }

  net::HttpServerHooks make_hooks() {
    net::HttpServerHooks hooks;
    hooks.on_begin = [this](const net::ServerHeaders& headers) {
      return std::make_shared<RequestTrace>(headers, context_.log, context_.spans);
    };
    hooks.on_failure = [](const net::HttpFailure& failure) {
      ApiError error = api_error(failure.status, failure.message);
      if (failure.status == 404) error.code = "unknown_route";
      return error_response(error);
    };
    hooks.on_exchange = [this](const net::ExchangeRecord& record) {
      if (auto* const trace = dynamic_cast<RequestTrace*>(record.context.get())) trace->end(record);
      const std::string route = record.route.empty() ? "none" : record.route;
      context_.metrics
          .counter("kedge_http_requests_total", "HTTP requests; code 499: the client left first.",
                   {{"route", route}, {"method", record.method}, {"code", std::to_string(record.status)}})
          .add();
      context_.metrics
          .histogram("kedge_http_request_seconds", "From a request's last byte to its answer's last.", latency_bounds(),
                     {{"route", route}})
          .observe(record.seconds);
    };
    return hooks;
  }

  Status warm_up() {
    for (ServedModel* const model : context_.models.all()) {
      if (model->pinned()) KEDGE_TRY(serve::warm_up(model->engine(), model->name()));
    }
    context_.ready = true;
    return Done{};
  }

  std::string plain_key_;
  ServeContext context_;
  std::shared_ptr<OtlpExporter> exporter_;  // traces keep it too
  std::latch complete_{1};                  // the first request may come before `start` has returned from listening
  std::shared_future<Status> warm_up_;
  std::set<const ServedModel*> watched_;  // of the store's; on its thread
  std::optional<Watchdog> watchdog_;
  std::unique_ptr<net::HttpServer> http_;
  std::unique_ptr<AdapterFolder> adapter_folder_;  // last: its thread uses the context
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(std::vector<ServedEngine> engines, ServerOptions options) {
  auto server = std::make_unique<ApiServer>();
  KEDGE_TRY(server->start(std::move(engines), std::move(options)));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace kedge::serve
