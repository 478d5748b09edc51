#pragma once
// The operator that finds personal data, and masks it if asked.

#include <memory>

#include "curate/operator.h"

namespace kedge::curate {

enum class IpChoice : uint8_t { all, public_only };

struct PiiOptions {
  IpChoice ip = IpChoice::all;
  bool mask = false;  // write the text too, "[EMAIL]" in place of each value
};

/// `{"id","spans":[{"type","start","end"},...]}`, in code points; with `mask` also `"text"`.
std::unique_ptr<Operator> make_pii_operator(const PiiOptions& options);

}  // namespace kedge::curate
