// Any bytes as MediaWiki's markup, as TeX and as a text with character references: the text that comes out is bounded.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "data/markup/entities.h"
#include "data/markup/tex.h"
#include "data/markup/wikitext.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge::data;
  const std::string text(reinterpret_cast<const char*>(data), size);
  KEDGE_CHECK(plain_text(text, {{"Datei"}, {"Kategorie"}}).size() <= 3 * size + 16);
  KEDGE_CHECK(decode_entities(text).size() <= 2 * size);  // "&nGt;" is two characters
  const std::string half = text.substr(size / 2);
  (void)clean_tex({text, half});
  return 0;
}
