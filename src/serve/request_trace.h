#pragma once
// One request from its header to the last byte of its answer: whose it is, and what the log says of it.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/log.h"
#include "kedge/engine.h"
#include "net/http_server.h"
#include "serve/api_keys.h"
#include "serve/model_store.h"
#include "serve/request_span.h"

namespace kedge::serve {

/// Thread-safe. The log gets its line when the last who holds it lets go: then the answer is out and the engine is
/// done. Prompts and answers are never told.
class RequestTrace final : public net::ExchangeContext {
 public:
  /// The id is the header X-Request-Id's where that is one, else made up.
  /// `spans`: empty where nobody wants them.
  RequestTrace(const net::ServerHeaders& request, LogSink log, SpanSink spans = {});
  ~RequestTrace() override;

  [[nodiscard]] const std::string& id() const { return id_; }
  /// X-Request-Id, and what is left of the key's limits.
  [[nodiscard]] net::ServerHeaders headers() const override;

  void set_account(std::shared_ptr<KeyAccount> account);
  /// Whose turn the engine counts it as: the key's name, or what the client sent where no key is asked for.
  [[nodiscard]] std::string client() const;

  /// A right to an alias is one to what it stands for, by that name, and the other way round. `target`: empty, or what
  /// `name` stands for.
  [[nodiscard]] bool may_use(std::string_view name, std::string_view target = {}) const;
  /// Fails with 403 unless its key may use it.
  ApiStatus allow(const std::string& name, const std::string& target);
  /// The model stays loaded until let_go_of_model, or the end.
  void hold(ModelUse use);
  [[nodiscard]] bool holds(const ServedModel& model) const;
  void let_go_of_model();
  /// Whether the model may run it for this key: 403, 429. `prompt_tokens` are taken from the key's budget.
  ApiStatus admit(const std::string& model, int32_t priority, uint64_t prompt_tokens);
  /// The engine is done. `timings`: of all prompts together.
  void finish(const RequestTimings& timings);
  /// What the request is for, in the words of OpenTelemetry: "chat".
  void set_operation(std::string operation);
  void set_streams(bool streams);
  /// The answer is out, or the client has left.
  void end(const net::ExchangeRecord& record);

 private:
  void write_line() const;
  void write_span();

  const LogSink log_;
  const SpanSink spans_;
  const std::string id_;
  const std::string sent_key_;

  mutable std::mutex mutex_;
  std::shared_ptr<KeyAccount> account_;
  std::string model_;
  std::string right_;  // the name that the key may use, where that is not model_
  std::vector<ModelUse> uses_;
  RequestTimings timings_;
  bool computed_ = false;
  RequestSpan span_;  // where spans are wanted
  std::string method_, path_;
  int status_ = 0;
  double seconds_ = 0;
};

/// Of a request that the server handles. Never null.
using Caller = std::shared_ptr<RequestTrace>;
Caller client_of(const net::ServerRequest& request);

}  // namespace kedge::serve
