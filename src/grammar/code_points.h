#pragma once
// Sets of Unicode code points, and their UTF-8 as ranges of bytes.

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace kedge::grammar {

using CodePoint = uint32_t;

inline constexpr CodePoint kCodePointMax = 0x10FFFF;
inline constexpr CodePoint kSurrogateFirst = 0xD800, kSurrogateLast = 0xDFFF;

struct CodePointRange {
  CodePoint first = 0, last = 0;
  bool operator==(const CodePointRange&) const = default;
};

/// Sorted ranges that neither overlap nor touch.
class CodePointSet {
 public:
  CodePointSet() = default;
  CodePointSet(std::initializer_list<CodePointRange> ranges) {
    for (const CodePointRange& range : ranges) add(range);
  }
  /// All but surrogates, which no UTF-8 has.
  static CodePointSet all() { return {{0, kSurrogateFirst - 1}, {kSurrogateLast + 1, kCodePointMax}}; }

  void add(CodePointRange range);
  void add(CodePoint code_point) { add({code_point, code_point}); }
  void add(const CodePointSet& other);
  [[nodiscard]] CodePointSet negated() const;  // within all()
  [[nodiscard]] CodePointSet without(const CodePointSet& other) const;
  [[nodiscard]] CodePointSet common(const CodePointSet& other) const;
  [[nodiscard]] bool contains(CodePoint code_point) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] const std::vector<CodePointRange>& ranges() const { return ranges_; }
  bool operator==(const CodePointSet&) const = default;

 private:
  std::vector<CodePointRange> ranges_;
};

struct ByteRange {
  uint8_t first = 0, last = 0;
};

/// One to four ranges: any combination of their bytes is the UTF-8 of a code point of the set.
struct Utf8Sequence {
  ByteRange bytes[4];
  int size = 0;
};

std::vector<Utf8Sequence> utf8_sequences(const CodePointSet& set);

}  // namespace kedge::grammar
