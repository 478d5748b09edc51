// Any bytes as a file of documents: whatever its format and compression, every record is a document or has a reason.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "core/check.h"
#include "data/reader.h"
#include "text/unicode/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge::data;
  const std::string head(reinterpret_cast<const char*>(data), std::min<size_t>(size, 5));
  if (head.starts_with("PAR1") || head == "%PDF-") return 0;  // the business of Arrow and poppler
  const int fd = ::memfd_create("documents", 0);
  KEDGE_CHECK(fd >= 0);
  KEDGE_CHECK(::write(fd, data, size) == static_cast<ssize_t>(size));
  const auto reader = Reader::open({"/proc/self/fd/" + std::to_string(fd)}, {});
  KEDGE_CHECK(reader.ok());
  Batch batch;
  while (reader.value()->read(batch).value()) {
    for (const Record& record : batch.records) {
      KEDGE_CHECK(!reader.value()->name(record).empty());
      Document document;
      const auto parsed = reader.value()->parse(record, document);
      if (!parsed.ok()) {
        KEDGE_CHECK(!parsed.error().message.empty());
        continue;
      }
      KEDGE_CHECK(!document.id_json.empty());
      KEDGE_CHECK(kedge::text::is_valid_utf8(document.text));
    }
  }
  ::close(fd);
  return 0;
}
