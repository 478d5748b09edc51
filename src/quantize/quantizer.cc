#include "quantize/quantizer.h"

#include <fmt/format.h>

#include <cmath>
#include <system_error>

#include "quantize/folder_quantizer.h"
#include "quantize/gguf_quantizer.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kSequencesMax = 1 << 16;
constexpr int64_t kLengthMax = 1 << 20;

Status in_range(std::string_view option, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return Done{};
  return Error{ErrorKind::invalid_input, fmt::format("{} {}: expected {} to {}", option, value, min, max)};
}

Status check(const Options& options, const Target& target) {
  KEDGE_TRY(in_range("--sequences", options.sequences, 1, kSequencesMax));
  KEDGE_TRY(in_range("--held-sequences", options.held_sequences, 1, kSequencesMax));
  KEDGE_TRY(in_range("--length", options.length, 2, kLengthMax));
  if (target.kind == TargetKind::mixed && !(options.bits >= 4 && options.bits <= 9)) {
    return Error{ErrorKind::invalid_input, fmt::format("--bits {}: expected 4 to 9", options.bits)};
  }
  if (options.symmetric && (target.kind == TargetKind::w8a8 || target.kind == TargetKind::gguf)) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("--symmetric: {} has no zero points to leave out", options.target)};
  }
  if (options.keep_embeddings && target.kind != TargetKind::gguf) {
    return Error{ErrorKind::invalid_input, "--keep-embeddings: is for GGUF files; folders always keep them"};
  }
  std::error_code ignored;
  if (std::filesystem::exists(options.out, ignored) &&
      std::filesystem::equivalent(options.out, options.model, ignored)) {
    return Error{ErrorKind::invalid_input, fmt::format("--out {}: is the model itself", options.out.string())};
  }
  return Done{};
}

}  // namespace

Result<Json> quantize(const Options& asked, const Events& events, const std::stop_token& stop) {
  Options options = asked;
  KEDGE_ASSIGN(const Target target, parse_target(options.target));
  if (options.method.empty()) options.method = default_method(target);
  KEDGE_ASSIGN(const Method method, parse_method(options.method, target));
  KEDGE_TRY(check(options, target));
  if (target.kind == TargetKind::gguf) return quantize_gguf(options, target, events, stop);
  return quantize_folder(options, target, method, events, stop);
}

}  // namespace kedge::quantize
