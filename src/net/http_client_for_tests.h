#pragma once
// A server for tests that answers with exact bytes, and may cut, hang or close.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace kedge::net {

struct ScriptedAnswer {
  std::string bytes;   // sent as they are
  bool close = false;  // the connection, after them
  bool hang = false;   // neither close nor answer again until the server goes away
};

/// Calls `script` with each request's head (up to the empty line), on the thread of its connection.
class ScriptedServer {
 public:
  using Script = std::function<ScriptedAnswer(const std::string& head)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& thread : connections_) thread.join();
    ::close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string address() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int connection_count() const { return connection_count_; }
  [[nodiscard]] std::vector<std::string> heads() const {
    const std::lock_guard guard(mutex_);
    return heads_;
  }

 private:
  /// False when the server goes away first.
  bool wait_readable(int fd) const {
    while (!stopping_) {
      pollfd wait{fd, POLLIN, 0};
      if (::poll(&wait, 1, 10) == 1) return true;
    }
    return false;
  }

  void accept_all() {
    while (wait_readable(listener_)) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) continue;
      ++connection_count_;
      connections_.emplace_back([this, fd] {
        serve(fd);
        ::close(fd);
      });
    }
  }

  void serve(int fd) {
    std::string received;
    while (wait_readable(fd)) {
      char bytes[4096];
      const ssize_t count = ::recv(fd, bytes, sizeof(bytes), 0);
      if (count <= 0) return;
      received.append(bytes, static_cast<size_t>(count));
      const size_t end = received.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const std::string head = received.substr(0, end + 2);
      received.erase(0, end + 4);
      {
        const std::lock_guard guard(mutex_);
        heads_.push_back(head);
      }
      const ScriptedAnswer answer = script_(head);
      std::string_view rest = answer.bytes;
      while (!rest.empty()) {
        const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        rest.remove_prefix(static_cast<size_t>(sent));
      }
      if (answer.close) return;
      while (answer.hang && !stopping_) ::usleep(1000);
    }
  }

  Script script_;
  int listener_;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connection_count_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> heads_;
  std::thread acceptor_;
  std::vector<std::thread> connections_;  // grown by the acceptor only
};

/// The value of a request's header, or "".
inline std::string header_of(const std::string& head, const std::string& name) {
  const size_t begin = head.find("\r\n" + name + ": ");
  if (begin == std::string::npos) return "";
  const size_t value = begin + name.size() + 4;
  return head.substr(value, head.find("\r\n", value) - value);
}

inline std::string answer_of(const std::string& status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace kedge::net
