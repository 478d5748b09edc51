#pragma once
// What the listener and the connections of one HTTP server share. Private to src/net/http_server*.

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "net/http_server.h"

namespace kedge::net::server {

class Connection;

/// Lives as long as the last connection or responder does.
class Core {
 public:
  Core(HttpServerOptions server_options, Router server_router, HttpServerHooks server_hooks);

  const HttpServerOptions options;
  const Router router;
  const HttpServerHooks hooks;
  boost::asio::io_context io;
  boost::asio::thread_pool workers;

  /// The response to a request that reaches no handler.
  [[nodiscard]] ServerResponse failure(const HttpFailure& failure) const;

  /// Null: no TLS. Any thread.
  [[nodiscard]] std::shared_ptr<const TlsContext> tls() const;
  void set_tls(std::shared_ptr<const TlsContext> tls);

  void add(const std::shared_ptr<Connection>& connection);
  void remove(Connection* connection);
  [[nodiscard]] size_t connection_count() const;
  [[nodiscard]] std::vector<std::shared_ptr<Connection>> connections() const;
  /// True when all connections were gone before `deadline`.
  bool wait_for_none(std::chrono::steady_clock::time_point deadline);

 private:
  mutable std::mutex mutex_;
  std::condition_variable none_left_;
  std::shared_ptr<const TlsContext> tls_;
  std::map<Connection*, std::weak_ptr<Connection>> connections_;
};

}  // namespace kedge::net::server
