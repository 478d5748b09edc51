#pragma once
// Keccak-256 as Ethereum uses it: the submission to NIST's competition (Bertoni et al. 2011), whose padding differs
// from that of SHA-3.

#include <string>
#include <string_view>

namespace kedge::curate {

/// 32 bytes.
std::string keccak256(std::string_view bytes);

}  // namespace kedge::curate
