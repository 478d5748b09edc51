#include "python/module/number_lists.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

namespace kedge::python {
namespace {

constexpr int64_t kNumbersMax = 1 << 16;

bool is_null(const ArrowArray& array, int64_t at) {
  const auto* const validity = array.n_buffers > 0 ? static_cast<const uint8_t*>(array.buffers[0]) : nullptr;
  return validity != nullptr && (validity[at / 8] >> (at % 8) & 1) == 0;
}

struct Range {
  int64_t begin = 0, end = 0;
};

/// Where a row's numbers are in the child; nothing for other types.
std::optional<Range> range_of(std::string_view format, const ArrowArray& array, int64_t at) {
  if (format.starts_with("+w:")) {
    int64_t width = 0;
    const auto read = std::from_chars(format.data() + 3, format.data() + format.size(), width);
    if (read.ec != std::errc()) return std::nullopt;
    return Range{at * width, (at + 1) * width};
  }
  if (array.n_buffers < 2 || array.buffers[1] == nullptr) return std::nullopt;
  if (format == "+l") {
    const auto* const offsets = static_cast<const int32_t*>(array.buffers[1]);
    return Range{offsets[at], offsets[at + 1]};
  }
  if (format != "+L") return std::nullopt;
  const auto* const offsets = static_cast<const int64_t*>(array.buffers[1]);
  return Range{offsets[at], offsets[at + 1]};
}

}  // namespace

Result<std::vector<float>> numbers_at(const ArrowSchema& schema, const ArrowArray& array, int64_t row,
                                      const std::string& name) {
  const std::string_view format = schema.format;
  const std::string_view of = schema.n_children == 1 ? schema.children[0]->format : "";
  const bool lists = format == "+l" || format == "+L" || format.starts_with("+w:");
  if (!lists || (of != "f" && of != "g") || array.n_children != 1) {
    return Error{
        ErrorKind::invalid_input,
        fmt::format("column '{}': found the Arrow type '{}{}', expected lists of float or double", name, format, of)};
  }
  const int64_t at = row + array.offset;
  const ArrowArray& child = *array.children[0];
  std::vector<float> numbers;
  if (is_null(array, at)) return numbers;
  const std::optional<Range> range = range_of(format, array, at);
  if (!range || range->begin < 0 || range->end < range->begin || range->end > child.length ||
      range->end - range->begin > kNumbersMax || child.n_buffers < 2) {
    return Error{ErrorKind::invalid_input, fmt::format("column '{}', row {}: found a list that is not in its array, or "
                                                       "longer than {} numbers",
                                                       name, row, kNumbersMax)};
  }
  for (int64_t i = range->begin + child.offset; i < range->end + child.offset; ++i) {
    if (is_null(child, i)) return std::vector<float>();
    numbers.push_back(of == "f" ? static_cast<const float*>(child.buffers[1])[i]
                                : static_cast<float>(static_cast<const double*>(child.buffers[1])[i]));
  }
  return numbers;
}

}  // namespace kedge::python
