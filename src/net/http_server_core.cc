#include "net/http_server_core.h"

#include <utility>

namespace kedge::net::server {

Core::Core(HttpServerOptions server_options, Router server_router, HttpServerHooks server_hooks)
    : options(std::move(server_options)),
      router(std::move(server_router)),
      hooks(std::move(server_hooks)),
      io(static_cast<int>(options.io_threads)),
      workers(options.worker_threads) {}

ServerResponse Core::failure(const HttpFailure& failure) const {
  if (hooks.on_failure) return hooks.on_failure(failure);
  return {failure.status, {{"Content-Type", "text/plain; charset=utf-8"}}, failure.message + "\n"};
}

std::shared_ptr<const TlsContext> Core::tls() const {
  const std::scoped_lock lock(mutex_);
  return tls_;
}

void Core::set_tls(std::shared_ptr<const TlsContext> tls) {
  const std::scoped_lock lock(mutex_);
  tls_ = std::move(tls);
}

void Core::add(const std::shared_ptr<Connection>& connection) {
  const std::scoped_lock lock(mutex_);
  connections_.emplace(connection.get(), connection);
}

void Core::remove(Connection* connection) {
  const std::scoped_lock lock(mutex_);
  connections_.erase(connection);
  if (connections_.empty()) none_left_.notify_all();
}

size_t Core::connection_count() const {
  const std::scoped_lock lock(mutex_);
  return connections_.size();
}

std::vector<std::shared_ptr<Connection>> Core::connections() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<Connection>> alive;
  alive.reserve(connections_.size());
  for (const auto& [unused, weak] : connections_) {
    if (auto connection = weak.lock()) alive.push_back(std::move(connection));
  }
  return alive;
}

bool Core::wait_for_none(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return none_left_.wait_until(lock, deadline, [this] { return connections_.empty(); });
}

}  // namespace kedge::net::server
