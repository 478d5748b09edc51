#pragma once
// The options of `kedge serve` for its connections: TLS, pages of other origins, limits.

#include <CLI/CLI.hpp>

#include "cli/log_writer.h"
#include "net/http_server.h"

namespace kedge::cli {

void add_http_options(CLI::App& command, net::HttpServerOptions& options);

/// Raises this process's limit of open files as far as it may, and lowers connections_max to what fits, with a line in
/// the log.
void make_room_for_connections(net::HttpServerOptions& options, LogWriter& log);

}  // namespace kedge::cli
