// Any bytes as a list of what goes of a shard: refused with a message, or what it says can be done to a text.
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "core/check.h"
#include "curate/pipeline/link.h"
#include "text/unicode/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;
  static const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("kedge_removal_list_fuzz_" + std::to_string(::getpid()) + ".jsonl");
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  std::ofstream(curate::removed_ids_of(path)) << "\"a\"\n\"b\"\n";
  const auto list = curate::read_duplicates(path);
  if (list.ok()) {
    for (const auto& [record, removal] : list.value()) {
      data::Document document{"1", "Grüße an alle: one two three four five.\nAnd a line.\n", ""};
      const data::Document whole = document;
      const curate::Outcome outcome = curate::remove_duplicate(document, &removal, {});
      KEDGE_CHECK(outcome.keep || !outcome.reason.empty());
      KEDGE_CHECK(text::is_valid_utf8(document.text));
      for (size_t i = 0; outcome.keep && i < removal.pieces.size(); ++i) {
        curate::make_piece(document, whole, removal, i);
        KEDGE_CHECK(text::is_valid_utf8(document.text));
      }
    }
  } else {
    KEDGE_CHECK(!list.error().message.empty());
  }
  (void)curate::find_duplicate(path, "\"b\"");
  std::error_code code;
  std::filesystem::remove(path, code);
  std::filesystem::remove(curate::removed_ids_of(path), code);
  return 0;
}
