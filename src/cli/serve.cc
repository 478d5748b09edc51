// kedge serve: OpenAI's API and a chat page over one or more models.

#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/model_argument.h"
#include "cli/serve_configuration.h"
#include "cli/serve_http_options.h"
#include "cli/serve_models.h"
#include "cli/serve_operations.h"
#include "cli/standard_io.h"
#include "cli/termination.h"
#include "serve/server.h"

namespace kedge::cli {
namespace {

constexpr uint32_t kSequencesDefault = 64;

struct ServeOptions {
  std::vector<std::string> models;
  std::vector<std::string> names;
  ModelOptions loading;
  ModelFolderFlags folder;
  serve::ServerOptions server;
  unsigned drain_seconds = 300;
  std::vector<std::string> adapters;  // NAME=PATH
  std::string adapter_source;
  std::string slot_save_path;
  unsigned adapter_refresh_seconds = 0;
  bool json = false;
  ConfigurationOptions configuration;
  OperationOptions operation;
  OtlpFlags otlp;
};

/// How a client names the model when nobody chose a name: as it was asked for, or its folder's or file's name.
std::string default_name(const std::string& model, const Engine& engine) {
  std::error_code ignored;
  const bool is_path = model != "demo" && std::filesystem::exists(model, ignored);
  return is_path ? engine.info().name : model.substr(0, model.find('@'));
}

Result<std::vector<serve::ServedEngine>> open_engines(const ServeOptions& options, LogWriter& log) {
  std::vector<serve::ServedEngine> engines;
  for (size_t i = 0; i < options.models.size(); ++i) {
    ModelOptions loading = options.loading;
    loading.model = options.models[i];
    log.say(fmt::format("loading {}", loading.model));
    KEDGE_ASSIGN(std::unique_ptr<Engine> engine, loading.open());
    std::string name = i < options.names.size() ? options.names[i] : default_name(loading.model, *engine);
    engines.push_back({std::move(name), std::move(engine)});
  }
  return engines;
}

bool is_any_address(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

std::string url_of(const net::HttpServerOptions& http, uint16_t port) {
  const std::string shown = is_any_address(http.host) ? "127.0.0.1" : http.host;
  const char* scheme = http.tls.certificate.empty() ? "http" : "https";
  return shown.find(':') == std::string::npos ? fmt::format("{}://{}:{}", scheme, shown, port)
                                              : fmt::format("{}://[{}]:{}", scheme, shown, port);
}

std::string curl_line(const std::string& url, ModelKind kind, const std::string& model, bool asks_for_key) {
  const char* path = "/v1/chat/completions";
  Json body;
  if (kind == ModelKind::decoder) {
    body = {{"model", model}, {"messages", Json::array({{{"role", "user"}, {"content", "Hello!"}}})}};
  } else if (kind == ModelKind::embedder) {
    path = "/v1/embeddings";
    body = {{"model", model}, {"input", "Hello!"}};
  } else {
    path = "/v1/ranking";
    body = {{"model", model}, {"query", {{"text", "Hello?"}}}, {"passages", Json::array({{{"text", "Hello!"}}})}};
  }
  const char* key = asks_for_key ? " -H \"Authorization: Bearer $KEDGE_API_KEY\"" : "";
  return fmt::format("curl {}{} -H 'Content-Type: application/json'{} -d '{}'", url, path, key, to_text(body));
}

/// What is said when the models answer.
struct Announcement {
  std::string url;
  std::vector<std::string> names;
  std::string curl;
};

Status announce(const Announcement& announcement, const ServeOptions& options, LogWriter& log) {
  std::string names;
  for (const std::string& name : announcement.names) names += (names.empty() ? "" : ", ") + name;
  const char* verb = announcement.names.size() == 1 ? "is" : "are";
  if (names.empty()) {
    log.say(fmt::format("the models of {} are loaded when they are asked for; chat at {}/", options.folder.folder,
                        announcement.url));
  } else {
    log.say(fmt::format("{} {} ready; chat at {}/ or try\n  {}", names, verb, announcement.url, announcement.curl));
  }
  if (!is_loopback(options.server.http.host) && options.operation.allow_unauthenticated) {
    log.say("everybody who reaches this address may use the models", LogLevel::warning);
  }
  if (!options.json) return Done{};
  return write_json({{"url", announcement.url}, {"models", announcement.names}});
}

/// Returns when the program is asked to end.
void serve_signals(TerminationGuard& termination, const ServeOptions& options, serve::Server& server, LogWriter& log) {
  while (termination.wait() == Asked::reload) reload(options.operation, server, log);
}

/// vLLM's forms of --lora-modules: NAME=PATH, or {"name", "path"}.
Result<std::pair<std::string, std::filesystem::path>> named_adapter(const std::string& text) {
  if (text.starts_with('{')) {
    KEDGE_ASSIGN(const Json json, parse_json(text, "--lora-modules"));
    if (json.contains("name") && json["name"].is_string() && json.contains("path") && json["path"].is_string()) {
      return std::pair(json["name"].get<std::string>(), std::filesystem::path(json["path"].get<std::string>()));
    }
  }
  const size_t equals = text.find('=');
  if (text.starts_with('{') || equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return Error{ErrorKind::invalid_input, fmt::format("--lora-modules: found '{}', expected NAME=PATH", text)};
  }
  return std::pair(text.substr(0, equals), std::filesystem::path(text.substr(equals + 1)));
}

Status set_adapters(ServeOptions& options, LogWriter& log) {
  for (const std::string& text : options.adapters) {
    KEDGE_ASSIGN(auto named, named_adapter(text));
    options.server.adapters.push_back(std::move(named));
  }
  options.server.adapter_source = options.adapter_source;
  options.server.adapter_refresh = std::chrono::seconds(options.adapter_refresh_seconds);
  options.server.tell = [&log](const std::string& message) { log.say(message); };
  return Done{};
}

Status serve_models(ServeOptions options, LogWriter& log) {
  KEDGE_TRY(set_adapters(options, log));
  if (options.models.empty() && options.folder.folder.empty()) options.models.emplace_back("demo");
  if (options.names.size() > options.models.size()) {
    return Error{ErrorKind::invalid_input, fmt::format("--served-model-name: found {} names for {} models, expected at "
                                                       "most one for each",
                                                       options.names.size(), options.models.size())};
  }
  KEDGE_TRY(prepare_access(options.operation, options.server));
  std::error_code ignored;
  options.server.slot_folder = options.slot_save_path;
  if (!options.slot_save_path.empty() && !std::filesystem::is_directory(options.slot_save_path, ignored)) {
    return Error{ErrorKind::not_found,
                 fmt::format("--slot-save-path: '{}' is no folder; make it, or name another", options.slot_save_path)};
  }
  KEDGE_TRY(prepare_traces(options.otlp, options.server.otlp));
  options.loading.on_warning = [&log](const std::string& message) { log.say(message, LogLevel::warning); };
  options.server.log = log.sink();
  options.server.step_time_max = std::chrono::seconds(options.operation.watchdog_seconds);
  TerminationGuard termination;
  std::signal(SIGPIPE, SIG_IGN);  // whoever read our standard error may be gone
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write
  make_room_for_connections(options.server.http, log);
  KEDGE_ASSIGN(std::vector<serve::ServedEngine> engines, open_engines(options, log));
  Announcement announcement;
  for (const serve::ServedEngine& served : engines) announcement.names.push_back(served.name);
  const std::string first = announcement.names.empty() ? std::string() : announcement.names.front();
  const ModelKind first_kind = engines.empty() ? ModelKind::decoder : engines.front().engine->info().kind;
  KEDGE_TRY(set_model_folder(options.folder, options.loading, first, options.server));
  const bool asks_for_key = options.server.asks_for_key || !options.server.api_key.empty();
  KEDGE_ASSIGN(const auto server, serve::Server::start(std::move(engines), options.server));
  announcement.url = url_of(options.server.http, server->port());
  announcement.curl = curl_line(announcement.url, first_kind, first, asks_for_key);
  KEDGE_TRY(server->wait_until_ready());
  termination.begin();
  KEDGE_TRY(announce(announcement, options, log));
  serve_signals(termination, options, *server, log);
  log.say("finishing what runs; a second signal ends it now");
  if (!server->drain(std::chrono::seconds(options.drain_seconds))) {
    log.say(fmt::format("some requests still ran after {} s and were cut", options.drain_seconds), LogLevel::warning);
  }
  return Done{};
}

Status configure_and_serve(ServeOptions& options, LayeredOptions& layers) {
  KEDGE_TRY(configure(layers, options.configuration, process_variables()));
  if (options.configuration.print) return options.json ? write_json(layers.to_json()) : write_output(layers.to_text());
  const std::unique_ptr<LogWriter> log = open_log(options.operation);
  for (const std::string& name : layers.unused()) {
    log->say(name + " has no meaning here and is not used", LogLevel::warning);
  }
  return serve_models(options, *log);
}

void add_adapters_to(CLI::App& command, ServeOptions& options) {
  command.add_option("--lora-modules", options.adapters,
                     "LoRA adapters as NAME=PATH; requests name them as their model");
  command.add_option("--peft-source", options.adapter_source,
                     "a folder of LoRA adapters: NAME/adapter_config.json and adapter_model.safetensors");
  command
      .add_option("--peft-refresh-seconds", options.adapter_refresh_seconds,
                  "how often that folder is looked at for what came, changed and went; 0: at the start only")
      ->check(CLI::Range(0U, 86400U))
      ->capture_default_str();
  command.add_option("--max-cpu-loras", options.server.adapters_max, "LoRA adapters in memory at a time")
      ->check(CLI::Range(size_t{1}, size_t{1} << 16))
      ->capture_default_str();
  command
      .add_flag("--allow-runtime-lora-updating", options.server.adapters_by_api,
                "let clients load and unload adapters: /v1/load_lora_adapter reads folders of this machine")
      ->envname("VLLM_ALLOW_RUNTIME_LORA_UPDATING");
  options.loading.add_rank_to(command);
}

}  // namespace

void register_serve(Commands& commands) {
  const auto options = std::make_shared<ServeOptions>();
  const auto layers = std::make_shared<std::optional<LayeredOptions>>();
  CLI::App* command = commands.add("serve", "OpenAI's API and a chat page over one or more models",
                                   [options, layers] { return configure_and_serve(*options, **layers); });
  command->option_defaults()->always_capture_default();  // --print-config shows them
  command
      ->add_option("MODEL", options->models,
                   "checkpoint folders, .gguf files, ORG/NAME that `kedge pull` stored; none: the built-in demo, or "
                   "--models-dir "
                   "alone")
      ->default_str("");
  command->add_option("--host", options->server.http.host, "address to listen on")->capture_default_str();
  command->add_option("--port", options->server.http.port, "port to listen on; 0: any free one")->capture_default_str();
  command->add_option("--api-key", options->server.api_key, "ask clients for this key (\"Authorization: Bearer KEY\")")
      ->envname("KEDGE_API_KEY");
  command->add_option("--served-model-name", options->names, "how clients name the models, in their order")
      ->default_str("");
  command
      ->add_option("--reasoning-budget", options->server.reasoning_tokens_max,
                   "tokens that a model may reason before it answers, where a request does not say; -1: any number")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 24))
      ->capture_default_str();
  command->add_option("--queue-max", options->server.queue_max, "requests that may wait for a model; more get 429")
      ->capture_default_str();
  command->add_option("--drain-seconds", options->drain_seconds, "how long running answers may take after SIGTERM")
      ->capture_default_str();
  command->add_flag("--json", options->json, "print {\"url\", \"models\"} on standard output when ready");
  command->add_option(
      "--slot-save-path", options->slot_save_path,
      "a folder where clients may have the keys and values of prompts saved (POST /slots/ID?action=save)");
  add_model_folder_options(*command, options->folder);
  add_adapters_to(*command, *options);
  options->loading.add_loading_to(*command);
  options->loading.add_scheduling_to(*command, kSequencesDefault);
  add_operation_options(*command, options->operation);
  add_trace_options(*command, options->otlp, options->server.otlp);
  add_http_options(*command, options->server.http);
  add_configuration_options(*command, options->configuration);
  layers->emplace(*command, serve_settings());  // last: it knows the options that are there
}

}  // namespace kedge::cli
