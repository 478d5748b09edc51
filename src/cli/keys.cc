// kedge keys: entries for `kedge serve --api-keys-file`.

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>

#include "cli/command.h"
#include "cli/standard_io.h"
#include "serve/api_keys.h"

namespace kedge::cli {
namespace {

constexpr size_t kKeyBytesMin = 16;  // a shorter one is guessed, hashed or not
constexpr size_t kKeyBytesMax = 4096;
constexpr size_t kNewKeyLetters = 48;  // of 64 letters each: 288 bits
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

Status print_new_key() {
  std::array<unsigned char, kNewKeyLetters> bytes;
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) {
    return Error{ErrorKind::unavailable, "the system gives no random bytes"};
  }
  std::string key = "kedge-";
  for (const unsigned char byte : bytes) key += kLetters[byte % kLetters.size()];
  return write_output(key + "\n");
}

Status print_entry(const std::string& name) {
  KEDGE_ASSIGN(std::string key, read_standard_input());
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
  if (key.size() < kKeyBytesMin || key.size() > kKeyBytesMax || key.find_first_of(" \t\r\n") != std::string::npos) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("standard input: expected a key of {} to {} bytes without blanks (`kedge keys new` makes "
                             "one)",
                             kKeyBytesMin, kKeyBytesMax)};
  }
  const Json entry = {{"name", name}, {"hash", serve::hash_text(serve::hash_of_key(key))}};
  KEDGE_TRY(serve::read_api_keys(Json::array({entry}), "--name"));
  return write_output(
      fmt::format("- name: {}\n  hash: {}\n", to_text(entry["name"]), entry["hash"].get<std::string>()));
}

}  // namespace

void register_keys(Commands& commands) {
  CLI::App* keys = commands.app.add_subcommand("keys", "API keys for kedge serve --api-keys-file");
  keys->require_subcommand(1);
  commands.add_to(*keys, "new", "a random key", [] { return print_new_key(); });
  const auto name = std::make_shared<std::string>("client");
  CLI::App* hash = commands.add_to(*keys, "hash", "reads a key on standard input, writes its entry of the file",
                                   [name] { return print_entry(*name); });
  hash->add_option("--name", *name, "whose key it is: for limits, logs and metrics")->capture_default_str();
}

}  // namespace kedge::cli
