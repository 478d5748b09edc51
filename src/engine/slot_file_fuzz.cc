// Any bytes as a slot's file: no crash, and what was accepted holds its promises.

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/check.h"
#include "engine/slot_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;  // NOLINT(google-build-using-namespace): a fuzzer's only function
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const engine::SlotReader reader{.model = "fuzz", .page_bytes = {64, 16}, .vocabulary_size = 100};
  const auto file = engine::parse_slot_file(bytes, reader, "fuzz");
  if (!file.ok()) {
    KEDGE_CHECK(!file.error().message.empty());
    return 0;
  }
  for (const TokenId token : file.value().tokens) KEDGE_CHECK(token >= 0 && token < 100);
  uint64_t sum = 0;
  for (const engine::SlotPage& page : file.value().pages) {
    KEDGE_CHECK(page.group < 2 && page.bytes.size() == reader.page_bytes[page.group]);
    KEDGE_CHECK((uint64_t{page.block} + 1) * 32 <= file.value().tokens.size());
    for (const std::byte byte : page.bytes) sum += std::to_integer<unsigned>(byte);
  }
  KEDGE_CHECK(sum <= 255 * static_cast<uint64_t>(size));
  return 0;
}
