#include "curate/decontaminate/alignment.h"

#include <vector>

namespace kedge::curate {
namespace {

constexpr double kMatch = 1;
constexpr double kPenalty = 1.5;

struct Cell {
  double score = 0;
  size_t begin = 0;
};

}  // namespace

Agreement align(std::span<const uint64_t> pattern, std::span<const uint64_t> text) {
  Agreement best;
  std::vector<Cell> above(pattern.size() + 1), here(pattern.size() + 1);
  for (size_t row = 0; row < text.size(); ++row) {
    here[0] = {0, row + 1};
    for (size_t column = 0; column < pattern.size(); ++column) {
      const Cell& diagonal = above[column];
      const double step = text[row] == pattern[column] ? kMatch : -kPenalty;
      Cell cell{diagonal.score + step, diagonal.score > 0 ? diagonal.begin : row};
      if (above[column + 1].score - kPenalty > cell.score) {
        cell = {above[column + 1].score - kPenalty, above[column + 1].begin};
      }
      if (here[column].score - kPenalty > cell.score) cell = {here[column].score - kPenalty, here[column].begin};
      if (cell.score <= 0) cell = {};
      here[column + 1] = cell;
      if (cell.score > best.score) best = {cell.score, cell.begin, row + 1};
    }
    std::swap(above, here);
  }
  return best;
}

}  // namespace kedge::curate
