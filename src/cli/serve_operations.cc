#include "cli/serve_operations.h"

#include <fmt/format.h>

#include <sstream>

#include "cli/api_keys_file.h"

namespace kedge::cli {
namespace {

void reload_api_keys(const std::string& file, serve::Server& server, LogWriter& log) {
  Result<std::vector<serve::ApiKey>> keys = read_api_keys_file(file);
  if (!keys.ok()) {
    log.write({LogLevel::error, "the API keys stay as they are: " + keys.error().message, {}});
    return;
  }
  const size_t count = keys.value().size();
  server.set_api_keys(std::move(keys).value());
  log.write({LogLevel::info, "API keys were read again", {{"file", file}, {"count", count}}});
}

}  // namespace

void add_operation_options(CLI::App& command, OperationOptions& options) {
  command.add_option("--api-keys-file", options.api_keys_file,
                     "keys of clients, hashed, with limits and rights (YAML or JSON lines; `kedge keys`); SIGHUP reads "
                     "it again");
  command.add_flag("--allow-unauthenticated", options.allow_unauthenticated,
                   "listen on an address that others reach although no key is asked for");
  command.add_option("--watchdog-seconds", options.watchdog_seconds,
                     "report a step of an engine that takes longer, and answer readiness with 503; 0: never");
  command.add_option("--log-format", options.log_format, "of the log on standard error")
      ->check(CLI::IsMember({"text", "json"}));
  command.add_option("--log-level", options.log_level, "what is worth a line of the log; requests are info")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
}

void add_trace_options(CLI::App& command, OtlpFlags& flags, serve::OtlpOptions& otlp) {
  command
      .add_option(
          "--otlp-endpoint", otlp.endpoint,
          "an OpenTelemetry collector (http://HOST:4318) that gets a trace of each request; none: nothing is sent")
      ->envname("OTEL_EXPORTER_OTLP_ENDPOINT");
  command.add_option("--otlp-headers", flags.headers, "headers of what is sent there, as NAME=VALUE,NAME=VALUE")
      ->envname("OTEL_EXPORTER_OTLP_HEADERS");
  command.add_option("--otlp-service-name", otlp.service, "what traces call this server")->envname("OTEL_SERVICE_NAME");
}

Status prepare_traces(const OtlpFlags& flags, serve::OtlpOptions& otlp) {
  std::istringstream pairs(flags.headers);
  for (std::string pair; std::getline(pairs, pair, ',');) {
    const size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Error{ErrorKind::invalid_input, "--otlp-headers: expected NAME=VALUE,NAME=VALUE"};
    }
    otlp.headers.push_back({pair.substr(0, equals), pair.substr(equals + 1)});
  }
  return Done{};
}

std::unique_ptr<LogWriter> open_log(const OperationOptions& options) {
  return std::make_unique<LogWriter>(
      LogWriter::Options{options.log_format == "json", log_level_named(options.log_level).value_or(LogLevel::info)});
}

Status prepare_access(const OperationOptions& options, serve::ServerOptions& server) {
  if (!options.api_keys_file.empty()) {
    KEDGE_ASSIGN(server.api_keys, read_api_keys_file(options.api_keys_file));
    server.asks_for_key = true;
  }
  const net::TlsFiles& tls = server.http.tls;
  if (tls.certificate.empty() != tls.key.empty() || (tls.certificate.empty() && !tls.client_authorities.empty())) {
    return Error{ErrorKind::invalid_input, "TLS needs both --tls-cert and --tls-key"};
  }
  const bool open = server.api_key.empty() && !server.asks_for_key && !options.allow_unauthenticated;
  if (!open || is_loopback(server.http.host)) return Done{};
  return Error{ErrorKind::invalid_input,
               fmt::format("--host {}: whoever reaches this address could use the models; ask for a key with "
                           "--api-keys-file or --api-key, or say --allow-unauthenticated",
                           server.http.host)};
}

void reload(const OperationOptions& options, serve::Server& server, LogWriter& log) {
  if (const Status tls = server.reload_tls(); !tls.ok()) {
    log.write({LogLevel::error, "the certificate stays as it is: " + tls.error().message, {}});
  }
  if (!options.api_keys_file.empty()) reload_api_keys(options.api_keys_file, server, log);
  if (const Status models = server.refresh_models(); !models.ok()) {
    log.write({LogLevel::error, "the models stay as they are: " + models.error().message, {}});
  }
  server.refresh_adapters();
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace kedge::cli
