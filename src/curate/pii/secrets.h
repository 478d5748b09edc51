#pragma once
// What gives access: addresses of money, keys of services; and check digits of identity numbers.

#include <string>
#include <string_view>

#include "curate/pii/spans.h"

namespace kedge::curate {

/// Keys by the beginnings that services give them so that they are found: AWS, GitHub, GitLab, OpenAI, Anthropic,
/// Stripe, Google, Slack, Hugging Face, npm, SendGrid.
inline constexpr const char* kApiKeys =
    R"((AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82}|glpat-[A-Za-z0-9_-]{20}|)"
    R"(sk-[A-Za-z0-9_-]{32,200}|[sr]k_(live|test)_[A-Za-z0-9]{16,120}|AIza[0-9A-Za-z_-]{35}|)"
    R"(xox[abprs]-[0-9A-Za-z-]{10,120}|hf_[A-Za-z0-9]{34}|npm_[A-Za-z0-9]{36}|)"
    R"(SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})";

/// Base58Check (Bitcoin, Litecoin, Dogecoin), Bech32 and Bech32m (BIP 173, BIP 350), or Ethereum's 0x and 40
/// hexadecimal digits (EIP-55), checksum and all; digits of one case have none.
bool is_crypto_address(std::string_view text);
/// 40 hexadecimal digits with EIP-55's capitals, "0x" before them.
std::string ethereum_address(std::string_view digits);
/// The address with this version byte (Base58Check) over 20 bytes.
std::string base58check(std::string_view payload);
/// hrp, "1", data (0 to 31 each) and its checksum; Bech32m from segregated witness version 1 on.
std::string bech32(std::string_view hrp, std::string_view data);
/// The first byte that a Base58Check address stands for; REQUIRES: is_crypto_address.
char base58_version(std::string_view address);

/// Of the digits of `value` (mod97: its letters and digits).
bool passes(PiiCheck check, std::string_view value);

std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace kedge::curate
