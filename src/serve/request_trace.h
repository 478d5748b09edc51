#pragma once
// One request from its header to the last byte of its answer: whose it is, and what the log says of it.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "core/log.h"
#include "kedge/engine.h"
#include "net/http_server.h"
#include "serve/api_keys.h"

namespace kedge::serve {

/// Thread-safe. The log gets its line when the last who holds it lets go: then the answer is out and the engine is
/// done. Prompts and answers are never told.
class RequestTrace final : public net::ExchangeContext {
 public:
  /// The id is the header X-Request-Id's where that is one, else made up.
  RequestTrace(const net::ServerHeaders& request, LogSink log);
  ~RequestTrace() override;

  [[nodiscard]] const std::string& id() const { return id_; }
  /// X-Request-Id, and what is left of the key's limits.
  [[nodiscard]] net::ServerHeaders headers() const override;

  void set_account(std::shared_ptr<KeyAccount> account);
  /// Whose turn the engine counts it as: the key's name, or what the client sent where no key is asked for.
  [[nodiscard]] std::string client() const;

  [[nodiscard]] bool may_use(std::string_view model) const;
  /// Whether the model may run it for this key: 403, 429. `prompt_tokens` are taken from the key's budget.
  ApiStatus admit(const std::string& model, int32_t priority, uint64_t prompt_tokens);
  /// The engine is done. `timings`: of all prompts together.
  void finish(const RequestTimings& timings);
  /// The answer is out, or the client has left.
  void end(const net::ExchangeRecord& record);

 private:
  const LogSink log_;
  const std::string id_;
  const std::string sent_key_;

  mutable std::mutex mutex_;
  std::shared_ptr<KeyAccount> account_;
  std::string model_;
  RequestTimings timings_;
  bool computed_ = false;
  std::string method_, path_;
  int status_ = 0;
  double seconds_ = 0;
};

/// Of a request that the server handles. Never null.
using Caller = std::shared_ptr<RequestTrace>;
Caller client_of(const net::ServerRequest& request);

}  // namespace kedge::serve
