#pragma once
// A list that grows a piece at a time.

#include <cstddef>
#include <memory>
#include <vector>

namespace kedge::curate {

/// What it holds is never copied: who adds, beside the work of others, holds up nobody.
template <typename T>
class Growing {
 public:
  void push_back(const T& value) {
    if (size_ == pieces_.size() * kPiece) pieces_.push_back(std::make_unique<T[]>(kPiece));
    (*this)[size_++] = value;
  }
  [[nodiscard]] size_t size() const { return size_; }
  T& operator[](size_t index) { return pieces_[index / kPiece][index % kPiece]; }
  const T& operator[](size_t index) const { return pieces_[index / kPiece][index % kPiece]; }

 private:
  static constexpr size_t kPiece = 4096;
  std::vector<std::unique_ptr<T[]>> pieces_;
  size_t size_ = 0;
};

}  // namespace kedge::curate
