#include "cli/serve_http_options.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace kedge::cli {
namespace {

constexpr rlim_t kOtherFiles = 256;  // models, standard streams, the log's

constexpr const char* kReadableHeaders =
    "X-Request-Id, Retry-After, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    "x-ratelimit-reset-requests, "
    "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

void add_seconds(CLI::App& command, const char* name, std::chrono::milliseconds& time, const char* description) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  command
      .add_option_function<unsigned>(
          name, [&time](unsigned value) { time = std::chrono::seconds(value); }, description)
      ->check(CLI::Range(1U, 86'400U))
      ->default_str(std::to_string(seconds));
}

void add_size(CLI::App& command, const char* name, size_t& size, const char* shown, const char* description) {
  command.add_option(name, size, description)
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(size_t{1024}, size_t{1} << 32))
      ->default_str(shown);
}

}  // namespace

void add_http_options(CLI::App& command, net::HttpServerOptions& options) {
  options.cross_origin.response_headers = kReadableHeaders;
  command.add_option("--tls-cert", options.tls.certificate,
                     "serve HTTPS: certificate chain in PEM; SIGHUP reads it again");
  command.add_option("--tls-key", options.tls.key, "the certificate's private key in PEM");
  command.add_option("--tls-client-ca", options.tls.client_authorities,
                     "ask clients for a certificate that one of these authorities vouches for (PEM)");
  command
      .add_option("--cors", options.cross_origin.origins, "allow requests by pages of these origins (\"*\": of any)")
      ->default_str("");
  command.add_option("--cors-methods", options.cross_origin.methods,
                     "methods that such pages may use; none: each route's");
  command.add_option("--cors-headers", options.cross_origin.request_headers,
                     "headers that such pages may send; none: those that they ask for");
  command.add_option("--cors-expose-headers", options.cross_origin.response_headers,
                     "headers that such pages may read");
  command
      .add_option("--cors-max-age", options.cross_origin.max_age_seconds, "seconds that a browser may remember this")
      ->check(CLI::Range(0U, 86'400U));
  command.add_option("--connections-max", options.connections_max, "connections at a time; further ones get 503")
      ->check(CLI::Range(1U, 1U << 20));
  add_size(command, "--header-max-bytes", options.header_bytes_max, "32KiB", "of a request's header; more gets 431");
  add_size(command, "--body-max-bytes", options.body_bytes_max, "32MiB", "of a request's body; more gets 413");
  add_seconds(command, "--header-timeout-seconds", options.header_timeout, "for all of a request's header, else 408");
  add_seconds(command, "--body-timeout-seconds", options.body_idle_timeout, "between two parts of a body, else 408");
  add_seconds(command, "--request-timeout-seconds", options.request_timeout,
              "for all of a request to arrive, else 408");
  add_seconds(command, "--idle-timeout-seconds", options.idle_timeout, "that a connection may wait between requests");
  add_seconds(command, "--write-timeout-seconds", options.write_timeout,
              "that a client may take nothing of its answer; then it is cut and its request ends");
}

void make_room_for_connections(net::HttpServerOptions& options, LogWriter& log) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = options.connections_max + kOtherFiles;
  if (limit.rlim_cur < wanted && limit.rlim_cur != RLIM_INFINITY) {
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min<rlim_t>(wanted, limit.rlim_max);
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
  }
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  options.connections_max = std::max<size_t>(16, limit.rlim_cur > kOtherFiles ? limit.rlim_cur - kOtherFiles : 0);
  log.say(fmt::format("only {} connections at a time: the system allows {} open files (ulimit -n)",
                      options.connections_max, limit.rlim_cur),
          LogLevel::warning);
}

}  // namespace kedge::cli
