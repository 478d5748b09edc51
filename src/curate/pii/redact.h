#pragma once
// The operator that finds personal data, and replaces it if asked.

#include <memory>
#include <string>

#include "curate/operator.h"
#include "curate/pii/spans.h"

namespace kedge::curate {

enum class IpChoice : uint8_t { all, public_only };

/// What is written in place of a value: nothing is written; "[EMAIL]"; "[EMAIL:HASH]"; another value of the kind.
enum class PiiAction : uint8_t { detect, mask, hash, surrogate };

struct PiiOptions {
  IpChoice ip = IpChoice::all;
  PiiAction action = PiiAction::detect;               // all others write the text too
  std::shared_ptr<const PiiFinder> finder = nullptr;  // null: the usual types
  std::string key;                                    // hash: the salt; surrogate: the seed
};

/// `{"id","spans":[{"type","start","end"},...]}`, in code points; unless it only detects also `"text"`.
std::unique_ptr<Operator> make_pii_operator(const PiiOptions& options);

}  // namespace kedge::curate
