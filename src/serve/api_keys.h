#pragma once
// API keys: who may ask, for what and how often. Keys are known by their hashes only.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/metrics.h"
#include "net/http_server_message.h"
#include "serve/api_error.h"
#include "serve/rate_limit.h"

namespace kedge::serve {

inline constexpr size_t kApiKeysMax = 10'000;
inline constexpr size_t kKeyNameBytesMax = 64;
inline constexpr std::string_view kKeyHashPrefix = "sha256:";
inline constexpr int32_t kPriorityOfAll = -1000;  // the most urgent that a request can ask for

using KeyHash = std::array<unsigned char, 32>;

/// One entry of a file of keys.
struct ApiKey {
  std::string name;  // for logs, metrics and turns
  KeyHash hash{};
  std::optional<double> requests_per_minute;
  std::optional<double> tokens_per_minute;  // of prompts and answers
  std::vector<std::string> models;          // names that it may ask for; empty: all
  int32_t priority_min = 0;                 // the most urgent (lowest) `priority` that its requests may ask for
};

KeyHash hash_of_key(std::string_view key);
/// "sha256:" and 64 hexadecimal digits.
std::string hash_text(const KeyHash& hash);

/// A list of objects with the fields of ApiKey (`hash` as hash_text writes it). Fails with invalid_input, naming
/// `what`, the entry and the field.
Result<std::vector<ApiKey>> read_api_keys(const Json& list, std::string_view what);

/// A key with what it has used. Thread-safe.
class KeyAccount {
 public:
  using Clock = RateLimit::Clock;

  /// What a key has used stays over a reload of the file.
  struct Budget {
    std::mutex mutex;
    std::optional<RateLimit> requests;  // REQUIRES: mutex
    std::optional<RateLimit> tokens;    // REQUIRES: mutex
  };
  struct Metrics {
    Counter& requests;
    Counter& refusals;
    Counter& prompt_tokens;
    Counter& generation_tokens;
  };

  KeyAccount(ApiKey key, std::shared_ptr<Budget> budget, Metrics metrics);

  [[nodiscard]] const ApiKey& key() const { return key_; }
  [[nodiscard]] const std::shared_ptr<Budget>& budget() const { return budget_; }
  [[nodiscard]] bool may_use(std::string_view model) const;

  /// Fails with 403 unless it may use it.
  ApiStatus check_model(std::string_view model);

  /// One request more. Fails with 429 and Retry-After.
  ApiStatus take_request(Clock::time_point now);
  /// Whether a request may run: 403 (model, priority), 429 (tokens). Takes the prompt's tokens.
  ApiStatus take_prompt(std::string_view model, int32_t priority, uint64_t prompt_tokens, Clock::time_point now);
  /// Tokens that an answer has.
  void charge_answer(uint64_t tokens, Clock::time_point now);

  /// OpenAI's x-ratelimit-*, of the limits that the key has.
  [[nodiscard]] net::ServerHeaders headers(Clock::time_point now) const;

 private:
  ApiStatus refuse(ApiError error);
  ApiStatus forbid(std::string_view param, std::string message);

  const ApiKey key_;
  const std::shared_ptr<Budget> budget_;
  const Metrics metrics_;
};

/// The keys of a server, exchanged while it runs. Thread-safe.
class KeyRing {
 public:
  /// Whether requests need a key; said once, before the server starts. With it and without keys nobody is let in.
  void ask() { asks_ = true; }
  [[nodiscard]] bool asks() const { return asks_; }

  /// All keys from now on. Requests that run keep their accounts.
  void replace(std::vector<ApiKey> keys, MetricsRegistry& metrics);

  /// The account of that key, or null. The time that it takes says nothing of the keys.
  [[nodiscard]] std::shared_ptr<KeyAccount> find(std::string_view key) const;

 private:
  using Accounts = std::vector<std::shared_ptr<KeyAccount>>;

  bool asks_ = false;
  mutable std::mutex mutex_;
  std::shared_ptr<const Accounts> accounts_ = std::make_shared<Accounts>();
};

/// The key that a request brings: "Authorization: Bearer KEY", or Anthropic's "x-api-key: KEY". Empty: none.
std::string_view key_in(const net::ServerHeaders& headers);

}  // namespace kedge::serve
