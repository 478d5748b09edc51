#pragma once
// A slot's file: the tokens of a prompt and the pages of its keys and values. Little-endian; every part has a checksum.
//   "kedgeslt", then u32: version, page tokens, tokens, pages, bytes of the model's name, of the salt; i64: rope;
//   u64: checksum of all that comes before and of the four parts behind: name, salt, tokens (i32),
//   pages (u32 group, u32 block, u64 checksum of the bytes). Then the bytes of the pages.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "kedge/engine.h"
#include "kedge/result.h"

namespace kedge::engine {

struct SlotPage {
  uint32_t group = 0, block = 0;
  uint64_t checksum = 0;             // XXH3 of the bytes
  std::span<const std::byte> bytes;  // of the file
};

struct SlotFile {
  std::string model;  // what the pages depend on besides tokens, in words
  std::string salt;
  int64_t rope = 0;
  std::vector<TokenId> tokens;
  std::vector<SlotPage> pages;
};

/// What the reader is.
struct SlotReader {
  std::string model;
  std::vector<uint64_t> page_bytes;  // of each group
  int64_t vocabulary_size = 0;
};

/// Checks all but the bytes of the pages, which have their own checksums. `name`: for messages.
/// Fails with corrupt_data, unsupported (another version), invalid_input (another model).
Result<SlotFile> parse_slot_file(std::span<const std::byte> bytes, const SlotReader& reader, const std::string& name);

/// Writes a file that appears whole or not at all, and sets the checksums. Returns its size. Fails with unavailable.
Result<uint64_t> write_slot_file(const std::filesystem::path& path, SlotFile file);

}  // namespace kedge::engine
