#pragma once
// A blocking TCP client for tests: sends exact bytes, reads exact answers, leaves whenever it likes.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace kedge::net {

struct TestAnswer {
  int status = 0;
  std::string head;
  std::string body;  // without the chunk framing
};

class TestClient {
 public:
  explicit TestClient(uint16_t port, int receive_buffer_bytes = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer_bytes > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~TestClient() { close(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }

  /// More bytes into the buffer; false at the end of the connection or after ten seconds of silence.
  bool receive() {
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, 10'000) != 1) return false;
    char bytes[65536];
    const ssize_t count = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(count));
    return true;
  }

  /// True when the server closes (or resets) the connection; bytes before that are kept.
  bool wait_for_close() {
    while (true) {
      pollfd wait{fd_, POLLIN, 0};
      if (::poll(&wait, 1, 10'000) != 1) return false;
      if (!receive()) return true;
    }
  }

  /// Everything up to and including `end`.
  std::string read_until(std::string_view end) {
    size_t found = 0;
    while ((found = buffer_.find(end)) == std::string::npos) {
      if (!receive()) return std::exchange(buffer_, {});
    }
    std::string text = buffer_.substr(0, found + end.size());
    buffer_.erase(0, found + end.size());
    return text;
  }

  std::string read_bytes(size_t count) {
    while (buffer_.size() < count && receive()) {
    }
    std::string text = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return text;
  }

  /// One chunk of a chunked body; empty at its end (or when it was cut).
  std::string read_chunk() {
    const std::string size = read_until("\r\n");
    const size_t count = std::strtoul(size.c_str(), nullptr, 16);
    std::string chunk = read_bytes(count);
    static_cast<void>(read_until("\r\n"));
    return chunk;
  }

  TestAnswer read_head() {
    TestAnswer answer;
    answer.head = read_until("\r\n\r\n");
    if (answer.head.size() > 12) answer.status = std::atoi(answer.head.c_str() + 9);
    return answer;
  }

  TestAnswer read_answer(bool is_head_request = false) {
    TestAnswer answer = read_head();
    if (is_head_request || answer.status == 204 || answer.status == 304) return answer;
    const size_t length = answer.head.find("Content-Length: ");
    if (length != std::string::npos) {
      answer.body = read_bytes(std::strtoul(answer.head.c_str() + length + 16, nullptr, 10));
    } else if (answer.head.find("Transfer-Encoding: chunked") != std::string::npos) {
      for (std::string chunk = read_chunk(); !chunk.empty(); chunk = read_chunk()) answer.body += chunk;
    } else {
      while (receive()) {
      }
      answer.body = std::exchange(buffer_, {});
    }
    return answer;
  }

  TestAnswer ask(std::string_view request) {
    send(request);
    return read_answer();
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace kedge::net
