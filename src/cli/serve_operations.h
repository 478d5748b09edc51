#pragma once
// The options of `kedge serve` for whoever runs it: who may ask, what is logged.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/log_writer.h"
#include "serve/server.h"

namespace kedge::cli {

struct OperationOptions {
  std::string api_keys_file;
  bool allow_unauthenticated = false;
  std::string log_format = "text";
  std::string log_level = "info";
  unsigned watchdog_seconds = 120;
};

void add_operation_options(CLI::App& command, OperationOptions& options);

struct OtlpFlags {
  std::string headers;  // "NAME=VALUE,NAME=VALUE"
};

/// OpenTelemetry's own variables are read too.
void add_trace_options(CLI::App& command, OtlpFlags& flags, serve::OtlpOptions& otlp);
/// Fails with invalid_input.
Status prepare_traces(const OtlpFlags& flags, serve::OtlpOptions& otlp);

std::unique_ptr<LogWriter> open_log(const OperationOptions& options);

/// Reads the keys and checks who could reach the server. Fails with invalid_input, or as read_api_keys_file does.
Status prepare_access(const OperationOptions& options, serve::ServerOptions& server);

/// What SIGHUP asks for: files that were read at the start are read again. A broken one leaves what was there, and says
/// so in the log.
void reload(const OperationOptions& options, serve::Server& server, LogWriter& log);

bool is_loopback(const std::string& host);

}  // namespace kedge::cli
