#pragma once
// The two normalizers around a precompiled character map.

#include <memory>
#include <vector>

#include "text/tokenizer/charsmap.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/prefix_trie.h"

namespace kedge::text {

struct SentencePieceNormalizerOptions {
  std::shared_ptr<const Charsmap> charsmap;        // may be null
  std::shared_ptr<const PrefixTrie> user_defined;  // strings that pass unchanged; may be null
  bool add_dummy_prefix = true;
  bool dummy_prefix_only_at_start = false;  // not after a special token
  bool space_is_suffix = false;             // the dummy goes to the end
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;  // ' ' becomes U+2581
};

/// What the sentencepiece library does to a text, byte for byte; invalid bytes become U+FFFD.
std::unique_ptr<const Normalizer> make_sentencepiece_normalizer(SentencePieceNormalizerOptions options);

/// tokenizer.json's "Precompiled": the same map, applied by grapheme and then by character.
std::unique_ptr<const Normalizer> make_precompiled_normalizer(std::shared_ptr<const Charsmap> charsmap);

}  // namespace kedge::text
