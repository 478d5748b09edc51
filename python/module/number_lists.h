#pragma once
// Lists of numbers in a column of an Arrow table: embeddings.

#include <cstdint>
#include <string>
#include <vector>

#include "kedge/result.h"
#include "python/module/arrow_abi.h"

namespace kedge::python {

/// The numbers in one row of a column of lists (list, large_list, fixed_size_list) of float or double; empty where the
/// row or one of its numbers is null. The array is trusted as any object of the same process is. Fails with
/// invalid_input: the column has another type; `name` names it. REQUIRES: 0 <= row < length.
Result<std::vector<float>> numbers_at(const ArrowSchema& schema, const ArrowArray& array, int64_t row,
                                      const std::string& name);

}  // namespace kedge::python
