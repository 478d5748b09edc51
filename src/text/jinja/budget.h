#pragma once
// What one rendering may still spend. Every loop whose length a template controls spends here.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kedge::text::jinja {

/// Why a template could not be parsed or rendered. Thrown inside this folder only; chat_template.cc catches it.
struct Failure {
  std::string message;
};

class Budget {
 public:
  Budget(uint64_t steps_max, uint64_t bytes_max) : steps_left_(steps_max), bytes_left_(bytes_max) {}

  /// Throws Failure when the rendering has done too much.
  void spend(uint64_t steps = 1) {
    if (steps > steps_left_) throw Failure{"the template takes too many steps (limit steps_max)"};
    steps_left_ -= steps;
  }

  /// Work that is linear in `bytes` at memory speed (copy, search, compare).
  void spend_on_bytes(size_t bytes) { spend(1 + bytes / kBytesPerStep); }
  void spend_on(std::string_view text) { spend_on_bytes(text.size()); }

  /// Memory that lives until the rendering ends. Throws Failure when it is too much.
  void allocate(uint64_t bytes) {
    if (bytes > bytes_left_)
      throw Failure{"the template makes too much text or too many values (limit output_bytes_max)"};
    bytes_left_ -= bytes;
  }
  /// Whether a later `allocate(bytes)` would pass; asked before something that large is built.
  [[nodiscard]] bool affords(uint64_t bytes) const { return bytes <= bytes_left_; }

 private:
  static constexpr size_t kBytesPerStep = 256;
  uint64_t steps_left_;
  uint64_t bytes_left_;
};

}  // namespace kedge::text::jinja
