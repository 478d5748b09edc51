#pragma once
// Parts of texts that stood before, in the same document or an earlier one, and what is left without them.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "curate/dedup/deduplicate.h"
#include "curate/dedup/index_runs.h"
#include "curate/dedup/units.h"
#include "kedge/result.h"

namespace kedge::curate {

/// What a finder remembers of a place in a text.
struct Mark {
  uint64_t high = 0, low = 0;  // its hash
  uint32_t index = 0;          // of the sentence, paragraph or byte
};

struct Edit {
  bool drop = false;
  std::vector<ByteSpan> cuts;    // ascending, apart; never through a character
  std::vector<ByteSpan> pieces;  // tasks: what is left, each a document; likewise
};

/// Sees all documents `passes()` times, in the same order each time; then says what is to go. `look` and `edit_of` are
/// safe from any thread, the others are called from one.
class RepeatFinder {
 public:
  RepeatFinder() = default;
  RepeatFinder(const RepeatFinder&) = delete;
  RepeatFinder& operator=(const RepeatFinder&) = delete;
  virtual ~RepeatFinder() = default;

  [[nodiscard]] virtual size_t passes() const = 0;
  [[nodiscard]] virtual std::vector<Mark> look(size_t pass, std::string_view text) const = 0;
  /// Of the documents in order: 0, 1, ...
  virtual Status add(size_t pass, uint32_t document, std::span<const Mark> marks) = 0;
  virtual Status end_pass(size_t pass) = 0;
  [[nodiscard]] virtual Edit edit_of(uint32_t document, std::string_view text) const = 0;
};

/// Whether a method cuts texts instead of clustering documents.
bool cuts_texts(DedupMethod method);
/// Whether a method can compare with an index of earlier runs.
bool has_index(DedupMethod method);

/// Spills into `place.spill`, holding at most options.memory_bytes of records. Fails with not_found or corrupt_data (a
/// Bloom filter's file), or as IndexRuns::open does. REQUIRES: cuts_texts(options.method).
Result<std::unique_ptr<RepeatFinder>> make_repeat_finder(const DedupOptions& options, const LinkPlace& place);

/// REQUIRES: fit(cuts, text).
std::string without(std::string_view text, std::span<const ByteSpan> cuts);
/// Ascending, apart, within the text and through none of its characters.
bool fit(std::span<const ByteSpan> cuts, std::string_view text);
/// [[start,end],...] in code points. REQUIRES: fit(cuts, text).
std::string spans_json(std::string_view text, std::span<const ByteSpan> cuts);
/// Fewer words or sentences than the options ask of a text that was cut.
bool too_little_left(std::string_view text, const DedupOptions& options);

}  // namespace kedge::curate
