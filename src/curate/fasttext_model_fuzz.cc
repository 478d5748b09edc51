// Any bytes as a fastText model: refused with a reason, or used without harm.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "core/check.h"
#include "curate/language/language.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = ::memfd_create("model", 0);
  KEDGE_CHECK(fd >= 0);
  KEDGE_CHECK(::write(fd, data, size) == static_cast<ssize_t>(size));
  const auto model = kedge::curate::open_fasttext_model("/proc/self/fd/" + std::to_string(fd));
  ::close(fd);
  if (!model.ok()) {
    KEDGE_CHECK(!model.error().message.empty());
    return 0;
  }
  for (const char* text : {"", "a", "some words of a text", "\xC3\xA9\xE6\x96\x87"}) {
    static_cast<void>(model.value()->identify(text));
  }
  return 0;
}
