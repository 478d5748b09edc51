#include "net/http_server.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <future>
#include <thread>

#include "net/http_server_connection.h"
#include "net/http_server_core.h"

namespace kedge::net {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using server::Connection;
using server::Core;

// Connections past the limit that may still be told so; what comes on top is closed without a word.
constexpr size_t kRefusalsMax = 64;
constexpr std::chrono::milliseconds kAcceptRetry{50};

// IPv4 first: "localhost" has both, and people type 127.0.0.1.
Result<tcp::endpoint> resolve(asio::io_context& io, const std::string& host, uint16_t port) {
  error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return Error{ErrorKind::invalid_input, fmt::format("can't listen on host '{}': {}; expected an address of this "
                                                       "machine, for example 127.0.0.1 or 0.0.0.0",
                                                       host, error.message())};
  }
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

class BeastServer final : public HttpServer {
 public:
  BeastServer(HttpServerOptions options, Router router, HttpServerHooks hooks)
      : core_(std::make_shared<Core>(std::move(options), std::move(router), std::move(hooks))),
        work_(asio::make_work_guard(core_->io)),
        acceptor_(asio::make_strand(core_->io)),
        retry_(acceptor_.get_executor()) {}

  ~BeastServer() override { stop(std::chrono::milliseconds(0)); }

  Status reload_tls() override {
    if (core_->options.tls.certificate.empty()) return Done{};
    KEDGE_ASSIGN(auto tls, TlsContext::open(core_->options.tls));
    core_->set_tls(std::move(tls));
    return Done{};
  }

  Status listen() {
    KEDGE_TRY(reload_tls());
    KEDGE_ASSIGN(const tcp::endpoint endpoint, resolve(core_->io, core_->options.host, core_->options.port));
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use) {
      return Error{ErrorKind::unavailable, fmt::format("port {} of {} is in use by another program; stop that one or "
                                                       "choose another port",
                                                       core_->options.port, core_->options.host)};
    }
    if (error) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("can't listen on {}:{}: {}", core_->options.host, core_->options.port, error.message())};
    }
    port_ = acceptor_.local_endpoint(error).port();
    asio::post(acceptor_.get_executor(), [this] { accept(); });
    for (unsigned i = 0; i < core_->options.io_threads; ++i) {
      threads_.emplace_back([core = core_] { core->io.run(); });
    }
    return Done{};
  }

  [[nodiscard]] uint16_t port() const override { return port_; }
  [[nodiscard]] size_t connection_count() const override { return core_->connection_count(); }

  void post(std::function<void()> task) override {
    const std::scoped_lock lock(post_mutex_);
    if (!stopped_) asio::post(core_->workers, std::move(task));
  }

  void stop(std::chrono::milliseconds grace) override {
    const std::scoped_lock lock(stop_mutex_);
    if (stopped_ || threads_.empty()) return;
    const auto deadline = std::chrono::steady_clock::now() + grace;
    std::promise<void> closed;
    asio::post(acceptor_.get_executor(), [this, &closed] {
      error_code ignored;
      acceptor_.close(ignored);
      retry_.cancel();
      stopping_ = true;
      closed.set_value();
    });
    closed.get_future().wait();
    for (const auto& connection : core_->connections()) connection->close_when_done();
    if (!core_->wait_for_none(deadline)) {
      for (const auto& connection : core_->connections()) connection->cut_soon();
      core_->wait_for_none(std::chrono::steady_clock::time_point::max());
    }
    {
      // A task that came in between would lie there for ever, with all that it holds.
      const std::scoped_lock no_more_tasks(post_mutex_);
      stopped_ = true;
    }
    core_->workers.join();
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void accept() {
    if (stopping_) return;
    acceptor_.async_accept(asio::make_strand(core_->io), [this](const error_code& error, tcp::socket socket) {
      if (stopping_ || error == asio::error::operation_aborted) return;
      if (error) {
        // Out of file descriptors, usually: connections that end give some back.
        retry_.expires_after(kAcceptRetry);
        retry_.async_wait([this](const error_code& cancelled) {
          if (!cancelled) accept();
        });
        return;
      }
      take(std::move(socket));
      accept();
    });
  }

  void take(tcp::socket socket) {
    const size_t count = core_->connection_count();
    if (count >= core_->options.connections_max + kRefusalsMax) return;
    const auto connection = std::make_shared<Connection>(core_, std::move(socket));
    core_->add(connection);
    if (count >= core_->options.connections_max) {
      connection->refuse();
    } else {
      connection->start();
    }
  }

  const std::shared_ptr<Core> core_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  tcp::acceptor acceptor_;  // used on its strand
  asio::steady_timer retry_;
  bool stopping_ = false;  // on the strand
  std::atomic<bool> stopped_{false};
  std::mutex post_mutex_;
  std::mutex stop_mutex_;
  std::vector<std::thread> threads_;
  uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, Router router, HttpServerHooks hooks) {
  auto server = std::make_unique<BeastServer>(std::move(options), std::move(router), std::move(hooks));
  KEDGE_TRY(server->listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace kedge::net
