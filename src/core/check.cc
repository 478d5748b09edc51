#include "core/check.h"

#include <cstdio>
#include <cstdlib>

namespace kedge {

void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "kedge: %s:%d: internal check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace kedge
