#include "curate/dedup/keys.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "curate/dedup/minhash.h"
#include "curate/dedup/shingles.h"
#include "curate/dedup/url_key.h"
#include "curate/normal_forms.h"

namespace kedge::curate {
namespace {

std::unique_ptr<MinHash> minhash_of(FuzzyParameters parameters) {
  switch (parameters) {
    case FuzzyParameters::datatrove:
      return std::make_unique<MinHash>(14, 8);
    case FuzzyParameters::nemo:
      return std::make_unique<MinHash>(20, 13);
    case FuzzyParameters::kedge:
      break;
  }
  return std::make_unique<MinHash>(20, 5);
}

std::vector<uint64_t> shingles_of(FuzzyParameters parameters, CodeView text) {
  switch (parameters) {
    case FuzzyParameters::datatrove:
      return datatrove_shingles(text);
    case FuzzyParameters::nemo:
      return character_shingles(text);
    case FuzzyParameters::kedge:
      break;
  }
  return word_shingles(text);
}

TextHash hash_of(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {hash.high64, hash.low64};
}

TextHash exact_hash(Normalization normalization, const data::Document& document) {
  switch (normalization) {
    case Normalization::text:
      return hash_of(comparable_text(document.text));
    case Normalization::url: {
      const std::string url = comparable_url(document.url);
      return url.empty() ? TextHash() : hash_of(url);
    }
    case Normalization::none:
      break;
  }
  return hash_of(document.text);
}

}  // namespace

KeyMaker::KeyMaker(const DedupOptions& options) : options_(options) {
  if (options.method == DedupMethod::fuzzy) minhash_ = minhash_of(options.parameters);
}
KeyMaker::~KeyMaker() = default;

size_t KeyMaker::bands() const {
  return minhash_ ? minhash_->bands() : 0;
}

DocumentKeys KeyMaker::keys_of(const data::Document& document) const {
  DocumentKeys keys;
  if (options_.method == DedupMethod::exact) {
    keys.hash = exact_hash(options_.normalization, document);
    return keys;
  }
  if (minhash_ == nullptr) return keys;  // what is compared is the text itself
  const std::u32string codes = to_codes(document.text);
  std::vector<uint64_t> shingles = shingles_of(options_.parameters, codes);
  keys.bands.resize(minhash_->bands());
  minhash_->band_keys(shingles, keys.bands);
  if (!options_.verify) return keys;
  keys.shingles = options_.parameters == FuzzyParameters::kedge ? std::move(shingles) : word_shingles(codes);
  make_set(keys.shingles);
  return keys;
}

}  // namespace kedge::curate
