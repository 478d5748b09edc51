#pragma once
// One request's answer on its way from any thread to the connection. Private to src/net/http_server*.

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "net/http_server.h"

namespace kedge::net::server {

class Connection;

/// The Responder of one request. Handlers hold it; the connection only looks at it (a weak pointer), so that its
/// destruction means that nobody can answer any more.
class Exchange final : public Responder, public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~Exchange() override;

  void send(ServerResponse response) override;
  void start_stream(StreamHead head) override;
  bool write(std::string_view bytes) override;
  void finish() override;
  void on_gone(std::function<void()> callback) override;
  [[nodiscard]] bool gone() const override;

  /// What the handler gave since the last call. Called by the connection on its strand.
  struct Output {
    std::optional<ServerResponse> whole;
    std::optional<StreamHead> head;
    std::string bytes;
    bool finished = false;
  };
  Output take();

  /// The client is gone: runs the handler's callback. Called by the connection on its strand.
  void notify_gone();

 private:
  void wake_connection();  // REQUIRES: mutex_ held

  const std::shared_ptr<Connection> connection_;
  mutable std::mutex mutex_;
  Output output_;
  bool started_ = false;
  bool finished_ = false;
  bool gone_ = false;
  bool wake_pending_ = false;
  std::function<void()> on_gone_;
};

}  // namespace kedge::net::server
