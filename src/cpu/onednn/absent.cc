// What a build without oneDNN's headers has in its place.

#include "core/check.h"
#include "cpu/onednn.h"

namespace kedge::cpu {

Status load_onednn() {
  return Error{ErrorKind::unsupported,
               "this build has no oneDNN, expected its headers where ./kd up puts them (build/deps/onednn) when the "
               "build is configured"};
}

std::string onednn_version() {
  KEDGE_CHECK(false);
  return {};
}

bool has_blocked_form(const WeightView&, MatmulCompute) {
  return false;
}

size_t blocked_bytes(const WeightView&, MatmulCompute) {
  KEDGE_CHECK(false);
  return 0;
}

BlockedView blocked_view(const WeightView&, MatmulCompute, const std::byte*) {
  KEDGE_CHECK(false);
  return {};
}

BlockedView lay_out_blocked(WorkerPool&, const WeightView&, MatmulCompute, std::byte*) {
  KEDGE_CHECK(false);
  return {};
}

void blocked_matmul(WorkerPool&, const BlockedView&, const InputRows&, const OutputRows&, const float*) {
  KEDGE_CHECK(false);
}

}  // namespace kedge::cpu
