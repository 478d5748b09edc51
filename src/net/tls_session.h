#pragma once
// The server's side of TLS, over memory: bytes of the connection in, bytes for the connection out. The connection
// itself waits and writes as it does without TLS.

#include <memory>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::net {

/// Files in PEM. Empty names: no TLS.
struct TlsFiles {
  std::string certificate;  // the server's, then those that lead to its authority
  std::string key;
  std::string client_authorities;  // not empty: clients must show a certificate that one of these vouches for
};

/// A certificate with its key, shared by sessions. Thread-safe.
class TlsContext {
 public:
  /// TLS 1.2 and 1.3. Fails with not_found or invalid_input, naming the file.
  static Result<std::shared_ptr<const TlsContext>> open(const TlsFiles& files);

  virtual ~TlsContext() = default;
};

/// One connection's. One thread at a time.
class TlsSession {
 public:
  static std::unique_ptr<TlsSession> create(const std::shared_ptr<const TlsContext>& context);

  virtual ~TlsSession() = default;

  /// Takes bytes of the connection and appends what they say to `plain`. False when no more will come: the client has
  /// ended its side, or broke the protocol. `take_output` may have something for it also then.
  virtual bool receive(std::string_view bytes, std::string& plain) = 0;
  /// REQUIRES: ready().
  virtual void send(std::string_view plain) = 0;
  /// Says that nothing more will be sent.
  virtual void close() = 0;
  /// What the connection must send now.
  virtual std::string take_output() = 0;
  /// The handshake is done.
  [[nodiscard]] virtual bool ready() const = 0;
};

}  // namespace kedge::net
