#include "text/tokenizer/base64.h"

#include <array>
#include <cstdint>

namespace kedge::text {
namespace {

constexpr std::array<int8_t, 256> make_values() {
  std::array<int8_t, 256> values{};
  for (auto& value : values) value = -1;
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kDigits.size(); ++i) values[static_cast<uint8_t>(kDigits[i])] = static_cast<int8_t>(i);
  return values;
}

constexpr std::array<int8_t, 256> kValues = make_values();

}  // namespace

bool append_base64(std::string& out, std::string_view encoded) {
  while (encoded.ends_with('=')) encoded.remove_suffix(1);
  if (encoded.size() % 4 == 1) return false;
  uint32_t bits = 0;
  int count = 0;
  for (const char digit : encoded) {
    const int value = kValues[static_cast<uint8_t>(digit)];
    if (value < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return true;
}

}  // namespace kedge::text
