#include "curate/pii/surrogate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "curate/pii/numbers.h"
#include "curate/pii/secrets.h"

namespace kedge::curate {
namespace {

constexpr int kTriesMax = 10'000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Numbers that follow from a key and a value.
class Draw {
 public:
  Draw(std::string_view key, std::string_view text) : key_(key), block_(hmac_sha256(key, text)) {}

  /// In [0, count). Less even than count / 2^32, which nobody notices.
  uint32_t below(uint32_t count) {
    uint32_t number = 0;
    for (int i = 0; i < 4; ++i) number = number << 8 | byte();
    return static_cast<uint32_t>(uint64_t{number} * count >> 32);
  }
  char digit() { return static_cast<char>('0' + below(10)); }
  uint8_t byte() {
    if (at_ == block_.size()) {
      block_ = hmac_sha256(key_, block_);
      at_ = 0;
    }
    return static_cast<uint8_t>(block_[at_++]);
  }
  /// Of the same class: a digit, a small or a capital letter; anything else stays.
  char like(char c) {
    if (is_digit(c)) return digit();
    if (c >= 'a' && c <= 'z') return static_cast<char>('a' + below(26));
    if (c >= 'A' && c <= 'Z') return static_cast<char>('A' + below(26));
    return c;
  }
  std::string like_all(std::string_view text) {
    std::string made;
    for (const char c : text) made += like(c);
    return made;
  }

 private:
  std::string key_, block_;
  size_t at_ = 0;
};

std::string email(Draw& draw) {
  constexpr std::array<std::string_view, 16> kNames = {"alex",  "sam",   "kim",  "robin",  "jo",    "chris",
                                                       "max",   "lee",   "noa",  "andrea", "sasha", "toni",
                                                       "casey", "jamie", "mika", "rene"};
  constexpr std::array<std::string_view, 3> kHosts = {"example.com", "example.org", "example.net"};
  const std::string_view first = kNames[draw.below(16)], second = kNames[draw.below(16)];
  return fmt::format("{}.{}{}@{}", first, second, draw.below(10'000), kHosts[draw.below(3)]);
}

/// Country codes stay; areas and exchanges of North America begin with 2 to 9.
std::string phone(Draw& draw, std::string_view value) {
  const bool abroad = value[0] == '+';
  std::string made;
  size_t digits = 0, group = 0;
  for (const char c : value) {
    group = is_digit(c) ? group + 1 : 0;
    if (is_digit(c)) ++digits;
    const bool country = abroad && digits <= 2 && made.find_first_of(" .-(") == std::string::npos;
    const bool lead = !abroad && group == 1 && digits <= 4;
    if (!is_digit(c) || country) {
      made += c;
    } else {
      made += lead ? static_cast<char>('2' + draw.below(8)) : draw.digit();
    }
  }
  return made;
}

std::string ipv4(Draw& draw, PiiType type) {
  while (true) {
    const bool is_private = type == PiiType::ipv4_private;
    std::string made = fmt::format("{}.{}.{}.{}", is_private ? 10U : draw.below(224), draw.below(256), draw.below(256),
                                   1 + draw.below(254));
    if (classify_ipv4(made) == type) return made;
  }
}

std::string card(Draw& draw, std::string_view value) {
  std::string made(1, value[0]);  // the issuer's kind
  for (const char c : value.substr(1)) made += is_digit(c) ? draw.digit() : c;
  for (made.back() = '0'; !passes_luhn(made);) ++made.back();
  return made;
}

std::string ssn(Draw& draw) {
  const uint32_t area = 1 + draw.below(898);
  return fmt::format("{:03}-{:02}-{:04}", area >= 666 ? area + 1 : area, 1 + draw.below(99), 1 + draw.below(9999));
}

std::string iban(Draw& draw, std::string_view value) {
  std::string made = std::string(value.substr(0, 2)) + "00" + draw.like_all(value.substr(4));
  for (int check = 2; check <= 98; ++check) {
    made[2] = static_cast<char>('0' + check / 10);
    made[3] = static_cast<char>('0' + check % 10);
    if (passes_mod97(made)) break;
  }
  return made;
}

std::string ipv6(Draw& draw) {
  std::string made = "2001:db8";
  for (int i = 0; i < 6; ++i) made += fmt::format(":{:x}", 1 + draw.below(0xFFFF));
  return made;
}

/// With a checksum where the value has one.
std::string ethereum(Draw& draw, std::string_view value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits = "a";  // so that it is no decimal number
  while (digits.size() < value.size() - 2) digits += kDigits[draw.below(16)];
  const bool any_capital = value.find_first_of("ABCDEF") != std::string_view::npos;
  if (!any_capital) return "0x" + digits;
  if (value.find_first_of("abcdef") != std::string_view::npos) return ethereum_address(digits);
  std::transform(digits.begin(), digits.end(), digits.begin(),
                 [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  return "0x" + digits;
}

std::string crypto(Draw& draw, std::string_view value) {
  if (value.starts_with("0x")) return ethereum(draw, value);
  const size_t one = value.find('1');
  const std::string_view hrp = value.substr(0, one);
  if (hrp == "bc" || hrp == "tb" || hrp == "ltc") {
    const bool first_version = value[one + 1] == 'q';
    std::string data(1, first_version ? '\0' : '\1');
    while (data.size() < value.size() - one - 7) data += static_cast<char>(draw.below(32));
    data.back() = static_cast<char>(data.back() & 0x10);  // what fills the last byte up is zero
    return bech32(hrp, data);
  }
  std::string payload(1, base58_version(value));
  while (payload.size() < 21) payload += static_cast<char>(draw.byte());
  return base58check(payload);
}

/// The beginning that tells the service stays.
std::string api_key(Draw& draw, std::string_view value) {
  constexpr std::array<std::string_view, 19> kBeginnings = {
      "AKIA",     "ASIA", "github_pat_", "glpat-", "sk-ant-", "sk-proj-", "sk-",  "sk_live_", "sk_test_", "rk_live_",
      "rk_test_", "AIza", "hf_",         "npm_",   "SG.",     "ghp_",     "gho_", "xoxb-",    "xoxp-"};
  size_t kept = 4;
  for (const std::string_view beginning : kBeginnings) {
    if (value.starts_with(beginning)) {
      kept = beginning.size();
      break;
    }
  }
  return std::string(value.substr(0, kept)) + draw.like_all(value.substr(kept));
}

std::string custom(Draw& draw, const PiiFinder& finder, const PiiSpan& span, std::string_view value) {
  for (int i = 0; i < kTriesMax; ++i) {
    std::string made = draw.like_all(value);
    if (finder.matches(span.pattern, made)) return made;
  }
  return fmt::format("[{}]", finder.name_of(span));
}

}  // namespace

std::string surrogate_of(const PiiFinder& finder, const PiiSpan& span, std::string_view value, std::string_view key) {
  Draw draw(key, fmt::format("{}:{}", finder.name_of(span), value));
  switch (span.type) {
    case PiiType::email:
      return email(draw);
    case PiiType::phone:
      return phone(draw, value);
    case PiiType::ipv4:
    case PiiType::ipv4_private:
      return ipv4(draw, span.type);
    case PiiType::ipv6:
      return ipv6(draw);
    case PiiType::credit_card:
      return card(draw, value);
    case PiiType::us_ssn:
      return ssn(draw);
    case PiiType::iban:
      return iban(draw, value);
    case PiiType::url_credentials:
      return draw.like_all("user:password0000");
    case PiiType::crypto_address:
      return crypto(draw, value);
    case PiiType::api_key:
      return api_key(draw, value);
    case PiiType::custom:
      break;
  }
  return custom(draw, finder, span, value);
}

std::string hash_of(std::string_view type, std::string_view value, std::string_view salt) {
  const std::string digest = hmac_sha256(salt, fmt::format("{}:{}", type, value));
  std::string hex;
  for (size_t i = 0; i < 8; ++i) hex += fmt::format("{:02x}", static_cast<unsigned char>(digest[i]));
  return fmt::format("[{}:{}]", type, hex);
}

}  // namespace kedge::curate
