#pragma once
// KEDGE_CHECK: our own mistakes stop the program with a place and a reason, in every build.

namespace kedge {

[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace kedge

#define KEDGE_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::kedge::check_failed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define KEDGE_DCHECK(condition) void(sizeof(condition))
#else
#define KEDGE_DCHECK(condition) KEDGE_CHECK(condition)
#endif
