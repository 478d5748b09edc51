// Any bytes as a stored response and as a page: the text that comes out is UTF-8.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "curate/extract/http_page.h"
#include "curate/extract/justext.h"
#include "curate/extract/main_text.h"
#include "text/unicode/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge::curate;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto page = read_http_page(bytes);
  if (page.ok()) {
    KEDGE_CHECK(kedge::text::is_valid_utf8(page.value()));
  } else {
    KEDGE_CHECK(!page.error().message.empty());
  }
  const std::string html = page.ok() ? page.value() : decode_page(bytes, "");
  KEDGE_CHECK(kedge::text::is_valid_utf8(html));
  KEDGE_CHECK(kedge::text::is_valid_utf8(extract_main_text(html, ExtractionMode::precision)));
  KEDGE_CHECK(kedge::text::is_valid_utf8(extract_main_text(html, ExtractionMode::recall)));
  KEDGE_CHECK(kedge::text::is_valid_utf8(extract_main_text(html, ExtractionMode::recall, true)));
  KEDGE_CHECK(kedge::text::is_valid_utf8(extract_justext(html, StopWords::of("en").value().get())));
  return 0;
}
