#include "cli/serve_operations.h"

#include <fmt/format.h>

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
  server.refresh_adapters();
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace kedge::cli
