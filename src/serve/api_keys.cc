#include "serve/api_keys.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "core/printable.h"
#include "serve/fields.h"

namespace kedge::serve {

namespace {

using Clock = KeyAccount::Clock;

constexpr double kPerMinuteMax = 1e12;
constexpr size_t kModelsMax = 1000;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kKeyNameBytesMax && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '@' || c == ':' || c == '/';
  });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<KeyHash> read_hash(std::string_view text) {
  KeyHash hash{};
  if (!text.starts_with(kKeyHashPrefix)) return std::nullopt;
  text.remove_prefix(kKeyHashPrefix.size());
  if (text.size() != 2 * hash.size()) return std::nullopt;
  for (size_t i = 0; i < hash.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    hash[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return hash;
}

Fields<ApiKey> key_fields() {
  const auto custom = [](std::string name, bool required, auto read) {
    return Field<ApiKey>{std::move(name), required, nullptr, read};
  };
  const NumberRange per_minute{.min = 1, .max = kPerMinuteMax};
  const auto rate = [&](std::string name, std::optional<double> ApiKey::*member) {
    return custom(std::move(name), false, [=](const Json& value, const std::string& path, ApiKey& key) -> ApiStatus {
      KEDGE_ASSIGN(key.*member, read_number(value, path, per_minute));
      return Done{};
    });
  };
  return {
      custom("name", true,
             [](const Json& value, const std::string& path, ApiKey& key) -> ApiStatus {
               KEDGE_ASSIGN(key.name, read_string(value, path));
               if (is_name(key.name)) return Done{};
               return wrong_field(path, fmt::format("'{}' must be at most {} letters, digits or any of . _ - @ : /; "
                                                    "found {}",
                                                    path, kKeyNameBytesMax, describe(value)));
             }),
      custom("hash", true,
             [](const Json& value, const std::string& path, ApiKey& key) -> ApiStatus {
               const std::optional<KeyHash> hash =
                   value.is_string() ? read_hash(value.get_ref<const std::string&>()) : std::nullopt;
               // What was found is not told: it may be a key that somebody took for its hash.
               if (!hash) {
                 return wrong_field(path, fmt::format("'{}' must be '{}' and 64 hexadecimal digits; `kedge keys hash` "
                                                      "makes it of a key",
                                                      path, kKeyHashPrefix));
               }
               key.hash = *hash;
               return Done{};
             }),
      rate("requests_per_minute", &ApiKey::requests_per_minute),
      rate("tokens_per_minute", &ApiKey::tokens_per_minute),
      custom("models", false,
             [](const Json& value, const std::string& path, ApiKey& key) -> ApiStatus {
               if (!value.is_array() || value.empty() || value.size() > kModelsMax) {
                 return wrong_field(path, fmt::format("'{}' must be a list of 1 to {} names of models; found {}", path,
                                                      kModelsMax, describe(value)));
               }
               for (size_t i = 0; i < value.size(); ++i) {
                 KEDGE_ASSIGN(std::string model, read_string(value[i], item_path(path, i)));
                 key.models.push_back(std::move(model));
               }
               return Done{};
             }),
      custom("priority_min", false,
             [](const Json& value, const std::string& path, ApiKey& key) -> ApiStatus {
               KEDGE_ASSIGN(const int64_t lowest, read_integer(value, path, kPriorityOfAll, -kPriorityOfAll));
               key.priority_min = static_cast<int32_t>(lowest);
               return Done{};
             }),
  };
}

ApiStatus read_key(const Json& value, const std::string& path, ApiKey& key) {
  static const Fields<ApiKey> kFields = key_fields();
  if (!value.is_object())
    return wrong_field(path, fmt::format("'{}' must be a mapping; found {}", path, describe(value)));
  for (const auto& [name, unused] : value.items()) {
    const bool known = std::any_of(kFields.begin(), kFields.end(), [&](const auto& f) { return f.name == name; });
    if (!known) return wrong_field(path, fmt::format("'{}' has no field {}", path, printable(name)));
  }
  for (const Field<ApiKey>& field : kFields) {
    const auto found = value.find(field.name);
    const std::string field_path = member_path(path, field.name);
    if (found != value.end()) {
      KEDGE_TRY(field.read(*found, field_path, key));
    } else if (field.required) {
      return wrong_field(field_path, fmt::format("'{}' is missing", field_path));
    }
  }
  return Done{};
}

unsigned whole_seconds(RateLimit::Seconds wait) {
  return static_cast<unsigned>(std::clamp(std::ceil(wait.count()), 1.0, 3600.0));
}

/// As OpenAI writes durations: "120ms", "8.6s", "6m0s".
std::string duration_text(RateLimit::Seconds duration) {
  const double seconds = std::max(0.0, duration.count());
  if (seconds < 1) return fmt::format("{}ms", static_cast<int64_t>(std::ceil(seconds * 1000)));
  if (seconds < 60) return fmt::format("{:.1f}s", std::ceil(seconds * 10) / 10);
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  return fmt::format("{}m{}s", whole / 60, whole % 60);
}

ApiError too_fast(const ApiKey& key, std::string_view unit, double limit, RateLimit::Seconds wait) {
  ApiError error = api_error(429, fmt::format("the key '{}' may use {:.0f} {} a minute, and has; try again in {}",
                                              key.name, limit, unit, duration_text(wait)));
  error.code = "rate_limit_exceeded";
  error.retry_after_seconds = whole_seconds(wait);
  return error;
}

void add_headers(net::ServerHeaders& headers, std::string_view unit, const RateLimit& limit, Clock::time_point now) {
  headers.push_back({fmt::format("x-ratelimit-limit-{}", unit), fmt::format("{:.0f}", limit.per_minute())});
  headers.push_back(
      {fmt::format("x-ratelimit-remaining-{}", unit), fmt::format("{:.0f}", std::floor(limit.remaining(now)))});
  headers.push_back({fmt::format("x-ratelimit-reset-{}", unit), duration_text(limit.reset(now))});
}

/// What was used of a limit goes on to count when the limit changes.
void update(std::optional<RateLimit>& limit, const std::optional<double>& per_minute, Clock::time_point now) {
  if (!per_minute) {
    limit.reset();
  } else if (limit) {
    limit->set_per_minute(*per_minute, now);
  } else {
    limit.emplace(*per_minute, now);
  }
}

}  // namespace

KeyHash hash_of_key(std::string_view key) {
  KeyHash hash;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

std::string hash_text(const KeyHash& hash) {
  std::string text(kKeyHashPrefix);
  for (const unsigned char byte : hash) text += fmt::format("{:02x}", byte);
  return text;
}

Result<std::vector<ApiKey>> read_api_keys(const Json& list, std::string_view what) {
  const auto refuse = [&](const std::string& message) {
    return Error{ErrorKind::invalid_input, fmt::format("{}: {}", what, message)};
  };
  if (!list.is_array()) return refuse("expected a list of keys; found " + describe(list));
  if (list.size() > kApiKeysMax) return refuse(fmt::format("more than {} keys", kApiKeysMax));
  std::vector<ApiKey> keys;
  std::set<std::string> names;
  std::set<KeyHash> hashes;
  for (size_t i = 0; i < list.size(); ++i) {
    ApiKey key;
    const std::string path = item_path("keys", i);
    if (const ApiStatus read = read_key(list[i], path, key); !read.ok()) return refuse(read.error().message);
    if (!names.insert(key.name).second) return refuse(fmt::format("two keys are named '{}'", key.name));
    if (!hashes.insert(key.hash).second) return refuse(fmt::format("'{}' is the same key as another", key.name));
    keys.push_back(std::move(key));
  }
  return keys;
}

KeyAccount::KeyAccount(ApiKey key, std::shared_ptr<Budget> budget, Metrics metrics)
    : key_(std::move(key)), budget_(std::move(budget)), metrics_(metrics) {
  const std::scoped_lock lock(budget_->mutex);
  const Clock::time_point now = Clock::now();
  update(budget_->requests, key_.requests_per_minute, now);
  update(budget_->tokens, key_.tokens_per_minute, now);
}

bool KeyAccount::may_use(std::string_view model) const {
  return key_.models.empty() || std::find(key_.models.begin(), key_.models.end(), model) != key_.models.end();
}

ApiStatus KeyAccount::refuse(ApiError error) {
  metrics_.refusals.add();
  return error;
}

ApiStatus KeyAccount::take_request(Clock::time_point now) {
  {
    const std::scoped_lock lock(budget_->mutex);
    if (budget_->requests) {
      const std::optional<RateLimit::Seconds> wait = budget_->requests->take(1, now);
      if (wait) return refuse(too_fast(key_, "requests", budget_->requests->per_minute(), *wait));
    }
  }
  metrics_.requests.add();
  return Done{};
}

ApiStatus KeyAccount::forbid(std::string_view param, std::string message) {
  ApiError error = wrong_field(param, std::move(message));
  error.status = 403;
  error.type = "permission_error";
  error.code = "not_allowed";
  return refuse(std::move(error));
}

ApiStatus KeyAccount::check_model(std::string_view model) {
  if (may_use(model)) return Done{};
  return forbid("model", fmt::format("the key '{}' may not use the model '{}'", key_.name, model));
}

ApiStatus KeyAccount::take_prompt(std::string_view model, int32_t priority, uint64_t prompt_tokens,
                                  Clock::time_point now) {
  KEDGE_TRY(check_model(model));
  if (priority < key_.priority_min) {
    return forbid("priority", fmt::format("the key '{}' may not ask for a priority below {}; found {}", key_.name,
                                          key_.priority_min, priority));
  }
  {
    const std::scoped_lock lock(budget_->mutex);
    if (budget_->tokens) {
      const auto amount = static_cast<double>(prompt_tokens);
      const double limit = budget_->tokens->per_minute();
      if (amount > limit) {  // no waiting helps
        ApiError error = wrong_field({}, fmt::format("the request has {} tokens; the key '{}' may use {:.0f} a minute",
                                                     prompt_tokens, key_.name, limit));
        error.code = "rate_limit_exceeded";
        return refuse(std::move(error));
      }
      const std::optional<RateLimit::Seconds> wait = budget_->tokens->take(amount, now);
      if (wait) return refuse(too_fast(key_, "tokens", limit, *wait));
    }
  }
  metrics_.prompt_tokens.add(prompt_tokens);
  return Done{};
}

void KeyAccount::charge_answer(uint64_t tokens, Clock::time_point now) {
  metrics_.generation_tokens.add(tokens);
  const std::scoped_lock lock(budget_->mutex);
  if (budget_->tokens) budget_->tokens->charge(static_cast<double>(tokens), now);
}

net::ServerHeaders KeyAccount::headers(Clock::time_point now) const {
  net::ServerHeaders headers;
  const std::scoped_lock lock(budget_->mutex);
  if (budget_->requests) add_headers(headers, "requests", *budget_->requests, now);
  if (budget_->tokens) add_headers(headers, "tokens", *budget_->tokens, now);
  return headers;
}

void KeyRing::replace(std::vector<ApiKey> keys, MetricsRegistry& metrics) {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, std::shared_ptr<KeyAccount::Budget>> budgets;
  for (const auto& account : *accounts_) budgets[account->key().name] = account->budget();
  auto accounts = std::make_shared<Accounts>();
  for (ApiKey& key : keys) {
    const MetricLabels labels{{"key", key.name}};
    std::shared_ptr<KeyAccount::Budget>& budget = budgets[key.name];
    if (!budget) budget = std::make_shared<KeyAccount::Budget>();
    const KeyAccount::Metrics counted{
        metrics.counter("kedge_key_requests_total", "Requests by the name of their API key.", labels),
        metrics.counter("kedge_key_refusals_total", "Requests that the key's limits or rights refused.", labels),
        metrics.counter("kedge_key_prompt_tokens_total", "Prompt tokens by the name of the API key.", labels),
        metrics.counter("kedge_key_generation_tokens_total", "Generated tokens by the name of the API key.", labels)};
    accounts->push_back(std::make_shared<KeyAccount>(std::move(key), budget, counted));
  }
  accounts_ = std::move(accounts);
}

std::shared_ptr<KeyAccount> KeyRing::find(std::string_view key) const {
  std::shared_ptr<const Accounts> accounts;
  {
    const std::scoped_lock lock(mutex_);
    accounts = accounts_;
  }
  // Hashed first, so that neither the key's bytes nor its length show in the time; then all are compared, whole.
  const KeyHash hash = hash_of_key(key);
  std::shared_ptr<KeyAccount> found;
  for (const auto& account : *accounts) {
    if (CRYPTO_memcmp(account->key().hash.data(), hash.data(), hash.size()) == 0) found = account;
  }
  return found;
}

std::string_view key_in(const net::ServerHeaders& headers) {
  static constexpr std::string_view kScheme = "bearer ";
  if (const std::string* plain = net::find_header(headers, "x-api-key")) return *plain;
  const std::string* header = net::find_header(headers, "Authorization");
  if (header == nullptr || header->size() <= kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>((*header)[i])) != kScheme[i]) return {};
  }
  return std::string_view(*header).substr(kScheme.size());
}

}  // namespace kedge::serve
