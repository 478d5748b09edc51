#pragma once
// `kedge serve` without the command line: OpenAI's API over loaded engines.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/log.h"
#include "kedge/engine.h"
#include "net/http_server.h"
#include "serve/api_keys.h"
#include "serve/model_store.h"
#include "serve/otlp_exporter.h"

namespace kedge::serve {

struct ServedEngine {
  std::string name;
  std::unique_ptr<Engine> engine;
};

struct ServerOptions {
  net::HttpServerOptions http;
  std::string api_key;           // clients send it as "Authorization: Bearer KEY"; it may do everything. Empty: none
  std::vector<ApiKey> api_keys;  // further keys
  bool asks_for_key = false;     // also while there is none: then nobody is let in
  size_t queue_max = 64;         // requests that may wait for one model; further ones get 429
  int64_t reasoning_tokens_max = -1;  // of requests that don't say; below 0: any number
  LogSink log;                        // may be empty
  OtlpOptions otlp;                   // where traces of requests go
  ModelFolderOptions models;          // loaded on demand, besides those that are there from the start
  std::vector<ModelAlias> aliases;    // further names of models and adapters
  std::vector<std::pair<std::string, std::filesystem::path>> adapters;  // LoRA adapters, by name
  std::filesystem::path adapter_source;                                 // a folder of more; empty: none
  std::chrono::milliseconds adapter_refresh{0};  // how often it is looked at; 0: at the start, and when asked to
  bool adapters_by_api = false;                  // clients may have folders of the server's disk loaded
  size_t adapters_max = 256;
  std::filesystem::path slot_folder;             // clients may have prompts' keys and values saved there; empty: not
  std::function<void(const std::string&)> tell;  // what becomes of models and adapters; any thread; may be empty
  std::chrono::milliseconds step_time_max{
      0};  // a longer step of an engine is reported, and readiness is 503; 0: no limit
};

/// Serves from construction to destruction. Thread-safe. Owns its engines, and lets every callback of theirs return
/// before it ends them.
class Server {
 public:
  /// Listens and begins to try the engines; not ready until they have computed. Fails with invalid_input (names, host,
  /// aliases of nothing, engines that take more than models.bytes_max), not_found (the folder of models) or unavailable
  /// (the port is taken).
  static Result<std::unique_ptr<Server>> start(std::vector<ServedEngine> engines, ServerOptions options);

  virtual ~Server() = default;

  [[nodiscard]] virtual uint16_t port() const = 0;

  /// Waits until every model has made a decode step (or an embedding, or a score). Fails when one can't.
  virtual Status wait_until_ready() = 0;

  /// The further keys from now on. Requests that run are not touched, and what names that stay have used still counts.
  virtual void set_api_keys(std::vector<ApiKey> keys) = 0;

  /// Reads the certificate and its key again, for new connections. Fails with what is wrong; then nothing changes.
  virtual Status reload_tls() = 0;

  /// Looks at the folder of adapters now.
  virtual void refresh_adapters() = 0;

  /// Looks at the folder of models now. Fails with not_found.
  virtual Status refresh_models() = 0;

  /// Readiness answers 503 from now on, and so do new requests; what runs may finish. False when something still ran
  /// after `grace` and was cut. The server then no longer listens.
  virtual bool drain(std::chrono::milliseconds grace) = 0;
};

}  // namespace kedge::serve
