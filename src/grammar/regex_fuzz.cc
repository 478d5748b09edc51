// Any bytes as a source of this kind: refused with a message, or a grammar that always leads on.
#include <cstddef>
#include <cstdint>

#include "grammar/fuzzing_for_fuzzers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kedge::grammar::check_source(kedge::ConstraintKind::regex, {reinterpret_cast<const char*>(data), size});
  return 0;
}
