// Any bytes as a file of API keys: entries that keep their promises, or one message.
#include <cstdint>
#include <string>

#include "cli/api_keys_file.h"
#include "core/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;
  const auto keys = cli::parse_api_keys({reinterpret_cast<const char*>(data), size}, "keys");
  if (!keys.ok()) {
    KEDGE_CHECK(keys.error().message.starts_with("keys: "));
    return 0;
  }
  MetricsRegistry metrics;
  serve::KeyRing ring;
  ring.replace(keys.value(), metrics);
  for (const serve::ApiKey& key : keys.value()) {
    KEDGE_CHECK(!key.name.empty() && key.name.size() <= serve::kKeyNameBytesMax);
    KEDGE_CHECK(!key.requests_per_minute || *key.requests_per_minute >= 1);
    KEDGE_CHECK(!key.tokens_per_minute || *key.tokens_per_minute >= 1);
    KEDGE_CHECK(serve::hash_text(key.hash).size() == serve::kKeyHashPrefix.size() + 64);
  }
  static_cast<void>(ring.find("key"));
  return 0;
}
