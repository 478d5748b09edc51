#include "curate/pii/secrets.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <optional>

#include "curate/pii/keccak.h"
#include "curate/pii/numbers.h"

namespace kedge::curate {
namespace {

constexpr std::string_view kBase58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::string_view kBech32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr size_t kChecksumBytes = 4, kAddressBytes = 25, kChecksumLetters = 6;

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

/// 25 bytes; nothing when it stands for more or fewer.
std::optional<std::string> decode_base58(std::string_view text) {
  std::string bytes(kAddressBytes, '\0');
  for (const char c : text) {
    size_t carry = kBase58.find(c);
    if (carry == std::string_view::npos) return std::nullopt;
    for (size_t i = kAddressBytes; i-- > 0;) {
      carry += 58U * static_cast<unsigned char>(bytes[i]);
      bytes[i] = static_cast<char>(carry & 0xFF);
      carry >>= 8;
    }
    if (carry != 0) return std::nullopt;
  }
  const size_t ones = std::min(text.find_first_not_of('1'), text.size());
  const size_t zeros = std::min(bytes.find_first_not_of('\0'), bytes.size());
  if (ones != zeros) return std::nullopt;
  return bytes;
}

bool is_base58check(std::string_view text) {
  constexpr std::string_view kVersions("\x00\x05\x1E\x30\x32", 5);  // Bitcoin, Dogecoin, Litecoin
  const auto bytes = decode_base58(text);
  if (!bytes || kVersions.find((*bytes)[0]) == std::string_view::npos) return false;
  const std::string_view payload = std::string_view(*bytes).substr(0, kAddressBytes - kChecksumBytes);
  return bytes->substr(payload.size()) == sha256(sha256(payload)).substr(0, kChecksumBytes);
}

uint32_t polymod(std::string_view hrp, std::string_view data) {
  constexpr std::array<uint32_t, 5> kGenerator = {0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3};
  uint32_t checksum = 1;
  const auto add = [&](uint32_t value) {
    const uint32_t top = checksum >> 25;
    checksum = (checksum & 0x1FFFFFF) << 5 ^ value;
    for (size_t i = 0; i < kGenerator.size(); ++i) checksum ^= (top >> i & 1) != 0 ? kGenerator[i] : 0;
  };
  for (const char c : hrp) add(static_cast<unsigned char>(c) >> 5);
  add(0);
  for (const char c : hrp) add(static_cast<unsigned char>(c) & 31);
  for (const char c : data) add(static_cast<unsigned char>(c));
  return checksum;
}

uint32_t bech32_constant(char version) {
  return version == 0 ? 1 : 0x2BC830A3;
}

bool is_bech32(std::string_view text) {
  const size_t one = text.find('1');
  if (one == std::string_view::npos || text.size() < one + 2 + kChecksumLetters) return false;
  std::string data;
  for (const char c : text.substr(one + 1)) {
    const size_t value = kBech32.find(c);
    if (value == std::string_view::npos) return false;
    data += static_cast<char>(value);
  }
  return polymod(text.substr(0, one), data) == bech32_constant(data[0]);
}

bool is_ethereum(std::string_view text) {
  constexpr size_t kDigits = 40;
  if (text.size() != kDigits + 2 || !text.starts_with("0x")) return false;
  const std::string_view digits = text.substr(2);
  if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) return false;
  if (digits.find_first_not_of("0123456789") == std::string_view::npos) return false;  // a number written out
  const bool any_small = digits.find_first_of("abcdef") != std::string_view::npos;
  const bool any_capital = digits.find_first_of("ABCDEF") != std::string_view::npos;
  return any_small != any_capital || text == ethereum_address(digits);
}

std::string digits_of(std::string_view value) {
  std::string digits;
  std::copy_if(value.begin(), value.end(), std::back_inserter(digits), [](char c) { return c >= '0' && c <= '9'; });
  return digits;
}

/// ISO 7064, MOD 11,10.
bool passes_mod11_10(std::string_view digits) {
  int product = 10;
  for (const char c : digits.substr(0, digits.size() - 1)) {
    const int sum = (c - '0' + product) % 10;
    product = (sum == 0 ? 10 : sum) * 2 % 11;
  }
  return (product + digits.back() - '0') % 10 == 1;
}

/// Verhoeff 1969: the group of symmetries of a pentagon.
bool passes_verhoeff(std::string_view digits) {
  constexpr std::array<std::array<int, 10>, 8> kTurns = {{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                                                          {1, 5, 7, 6, 2, 8, 3, 0, 9, 4},
                                                          {5, 8, 0, 3, 7, 9, 6, 1, 4, 2},
                                                          {8, 9, 1, 6, 0, 4, 3, 5, 2, 7},
                                                          {9, 4, 5, 3, 1, 2, 6, 8, 7, 0},
                                                          {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
                                                          {2, 7, 9, 3, 8, 0, 6, 4, 1, 5},
                                                          {7, 0, 4, 6, 9, 1, 3, 2, 5, 8}}};
  const auto join = [](int a, int b) {
    if (a < 5) return b < 5 ? (a + b) % 5 : 5 + (a + b) % 5;
    return b < 5 ? 5 + (a - b + 5) % 5 : (a - b + 10) % 5;
  };
  int check = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    check = join(check, kTurns[i % 8][static_cast<size_t>(digits[digits.size() - 1 - i] - '0')]);
  }
  return check == 0;
}

}  // namespace

bool is_crypto_address(std::string_view text) {
  return is_ethereum(text) || is_base58check(text) || is_bech32(text);
}

std::string ethereum_address(std::string_view digits) {
  std::string address = "0x";
  for (const char c : digits) address += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  const std::string digest = keccak256(std::string_view(address).substr(2));
  for (size_t i = 0; i < digits.size(); ++i) {
    const int nibble = static_cast<unsigned char>(digest[i / 2]) >> (i % 2 == 0 ? 4 : 0) & 15;
    char& c = address[i + 2];
    if (nibble >= 8 && c >= 'a') c = static_cast<char>(c - 'a' + 'A');
  }
  return address;
}

char base58_version(std::string_view address) {
  const auto bytes = decode_base58(address);
  return bytes ? (*bytes)[0] : '\0';
}

std::string base58check(std::string_view payload) {
  std::string bytes(payload);
  bytes += sha256(sha256(payload)).substr(0, kChecksumBytes);
  std::string digits;  // base 58, the last first
  for (const char byte : bytes) {
    size_t carry = static_cast<unsigned char>(byte);
    for (char& digit : digits) {
      carry += static_cast<size_t>(digit) * 256;
      digit = static_cast<char>(carry % 58);
      carry /= 58;
    }
    for (; carry > 0; carry /= 58) digits += static_cast<char>(carry % 58);
  }
  std::string text(std::min(bytes.find_first_not_of('\0'), bytes.size()), '1');
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) text += kBase58[static_cast<size_t>(*digit)];
  return text;
}

std::string bech32(std::string_view hrp, std::string_view data) {
  std::string text = std::string(hrp) + "1";
  for (const char value : data) text += kBech32[static_cast<size_t>(value)];
  const std::string padded = std::string(data) + std::string(kChecksumLetters, '\0');
  const uint32_t checksum = polymod(hrp, padded) ^ bech32_constant(data[0]);
  for (size_t i = 0; i < kChecksumLetters; ++i) text += kBech32[checksum >> 5 * (kChecksumLetters - 1 - i) & 31];
  return text;
}

bool passes(PiiCheck check, std::string_view value) {
  if (check == PiiCheck::none) return true;
  if (check == PiiCheck::mod97) {
    std::string plain;
    for (const char c : value) {
      if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')) plain += c;
    }
    return passes_mod97(plain);
  }
  const std::string digits = digits_of(value);
  if (digits.size() < 2) return false;
  if (check == PiiCheck::luhn) return passes_luhn(digits);
  return check == PiiCheck::verhoeff ? passes_verhoeff(digits) : passes_mod11_10(digits);
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace kedge::curate
