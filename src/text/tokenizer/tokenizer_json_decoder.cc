// The decoder of a tokenizer.json.

#include <fmt/format.h>

#include "text/tokenizer/tokenizer_json.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

/// Reads the steps of a decoder in order. The order that files use is fixed: steps of single tokens, byte tokens, fuse,
/// then a strip of the whole text. Anything else is refused rather than guessed.
class DecoderLoader {
 public:
  Status load(const JsonView& step, size_t depth) {
    if (depth > kPipelineDepthMax || ++count_ > kPipelineStepsMax) {
      return Error{ErrorKind::unsupported,
                   fmt::format("decoder: more than {} levels or {} steps", kPipelineDepthMax, kPipelineStepsMax)};
    }
    const std::string_view type = step.text("type");
    if (type == "Sequence") {
      return step["decoders"].for_each_element([&](const JsonView& inner) { return load(inner, depth + 1); });
    }
    if (type == "ByteLevel") return load_byte_level();
    if (type == "ByteFallback") return load_byte_fallback();
    if (type == "Fuse") {
      fused_ = true;
      return Done{};
    }
    if (type == "Strip") return load_strip(step);
    if (type == "Replace") return load_replace(step);
    if (type == "Metaspace") return load_metaspace(step);
    if (type == "WordPiece") {
      return add({.kind = TokenStep::Kind::wordpiece,
                  .from = std::string(step.text("prefix", "##")),
                  .clean_up = step.flag("cleanup", true)},
                 type);
    }
    if (type == "BPEDecoder") {
      return add({.kind = TokenStep::Kind::suffix, .from = std::string(step.text("suffix", "</w>"))}, type);
    }
    return unsupported_part("decoder", type);
  }

  DecoderOptions finish() { return std::move(options_); }

 private:
  Status add(TokenStep step, std::string_view type) {
    if (fused_ || options_.byte_level || options_.byte_tokens != ByteTokens::none) {
      return unsupported_part("decoder", fmt::format("{} after Fuse, ByteFallback or ByteLevel", type));
    }
    options_.steps.push_back(std::move(step));
    return Done{};
  }

  Status load_byte_level() {
    if (!options_.steps.empty() || fused_ || options_.byte_tokens != ByteTokens::none) {
      return unsupported_part("decoder", "ByteLevel after other steps");
    }
    options_.byte_level = true;
    return Done{};
  }

  Status load_byte_fallback() {
    if (fused_ || options_.byte_level) return unsupported_part("decoder", "ByteFallback after Fuse or ByteLevel");
    options_.byte_tokens = ByteTokens::all_or_nothing;
    return Done{};
  }

  Status load_strip(const JsonView& step) {
    const std::string_view content = step.text("content", " ");
    const int64_t start = step["start"].integer().value_or(0);
    const int64_t stop = step["stop"].integer().value_or(0);
    constexpr int64_t kCopiesMax = 1000;
    if (content.empty() || start < 0 || stop < 0 || start > kCopiesMax || stop > kCopiesMax) {
      return Error{ErrorKind::corrupt_data, fmt::format("decoder Strip: content '{}', start {}, stop {}; expected a "
                                                        "character and counts up to {}",
                                                        content, start, stop, kCopiesMax)};
    }
    if (!fused_) {
      return add({.kind = TokenStep::Kind::strip,
                  .from = std::string(content),
                  .left = static_cast<size_t>(start),
                  .right = static_cast<size_t>(stop)},
                 "Strip");
    }
    if (stop > 0 || options_.strip_start_max > 0) return unsupported_part("decoder", "Strip of the end of the text");
    options_.strip_start = content;
    options_.strip_start_max = static_cast<size_t>(start);
    return Done{};
  }

  Status load_replace(const JsonView& step) {
    KEDGE_ASSIGN(const JsonPattern pattern, load_json_pattern(step["pattern"], "decoder Replace"));
    if (pattern.regex) return unsupported_part("decoder", "Replace of a Regex");
    if (pattern.text.empty()) return Done{};
    return add(
        {.kind = TokenStep::Kind::replace, .from = std::string(pattern.text), .to = std::string(step.text("content"))},
        "Replace");
  }

  Status load_metaspace(const JsonView& step) {
    const std::string_view scheme =
        step.text("prepend_scheme", step.flag("add_prefix_space", true) ? "always" : "never");
    const std::string_view replacement = step.text("replacement", "\xE2\x96\x81");
    if (replacement.empty()) return Error{ErrorKind::corrupt_data, "decoder Metaspace: replacement is empty"};
    return add({.kind = TokenStep::Kind::metaspace, .from = std::string(replacement), .drop_first = scheme != "never"},
               "Metaspace");
  }

  DecoderOptions options_;
  bool fused_ = false;
  size_t count_ = 0;
};

}  // namespace

Result<DecoderOptions> load_json_decoder(const JsonView& decoder, bool byte_level) {
  if (!decoder.exists()) {
    DecoderOptions options;
    options.steps.push_back({.kind = TokenStep::Kind::join});
    return options;
  }
  DecoderLoader loader;
  KEDGE_TRY(loader.load(decoder, 0));
  DecoderOptions options = loader.finish();
  if (options.byte_level != byte_level) {
    return unsupported_part("decoder", byte_level ? "other than ByteLevel with a byte-level vocabulary"
                                                  : "ByteLevel without a byte-level vocabulary");
  }
  return options;
}

}  // namespace kedge::text
