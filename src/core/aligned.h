#pragma once
// A fixed buffer on cache-line borders, with huge pages asked for where it is large. Contents start as zeros.

#include <cstddef>
#include <memory>
#include <span>

namespace kedge {

/// Bytes mapped from the system; nothing is resident until it is written. Owned by one object, any thread.
class PageBuffer {
 public:
  PageBuffer() = default;
  /// An empty buffer (data() == nullptr) when the system refuses.
  explicit PageBuffer(size_t bytes);

  [[nodiscard]] std::byte* data() const { return bytes_.get(); }
  [[nodiscard]] size_t size() const { return bytes_.get_deleter().size; }

 private:
  struct Unmap {
    size_t size = 0;
    void operator()(std::byte* bytes) const;
  };
  std::unique_ptr<std::byte[], Unmap> bytes_{nullptr, Unmap{}};
};

/// Hands out aligned parts of one buffer, in order; nothing is freed before the whole.
class Arena {
 public:
  Arena() = default;
  explicit Arena(size_t bytes) : buffer_(bytes) {}

  [[nodiscard]] bool ok() const { return buffer_.data() != nullptr; }
  [[nodiscard]] size_t size() const { return buffer_.size(); }

  /// REQUIRES: enough room is left (size the arena with `padded`).
  template <typename T>
  std::span<T> take(size_t count) {
    return {reinterpret_cast<T*>(take_bytes(padded(count * sizeof(T)))), count};
  }

  /// The room that one part of `bytes` needs.
  static constexpr size_t padded(size_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  std::byte* take_bytes(size_t bytes);

  PageBuffer buffer_;
  size_t used_ = 0;
};

}  // namespace kedge
