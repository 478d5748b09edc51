#pragma once
// Which documents are linked, by their keys.

#include <cstdint>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "curate/dedup/deduplicate.h"
#include "curate/dedup/keys.h"
#include "curate/dedup/union_find.h"
#include "kedge/result.h"

namespace kedge::curate {

/// The keys of documents 0, 1, ..., wherever they are kept.
class KeyStore {
 public:
  KeyStore() = default;
  KeyStore(const KeyStore&) = delete;
  KeyStore& operator=(const KeyStore&) = delete;
  virtual ~KeyStore() = default;

  [[nodiscard]] virtual uint32_t documents() const = 0;
  [[nodiscard]] virtual TextHash hash(uint32_t document) const = 0;
  [[nodiscard]] virtual uint64_t key(uint32_t document, size_t band) const = 0;
  [[nodiscard]] virtual std::span<const uint64_t> shingles(uint32_t document) const = 0;
  /// Called now and then: memory that only mirrors files may go.
  virtual void let_go() const {}
};

constexpr uint64_t kLinkBytes = 40;  // of a document, at most, while those of equal keys are found

/// Equal texts, or documents that share a band's key (with verify: and are as similar as asked for). Memory: 4 bytes a
/// document, and kLinkBytes; where these are more than options.memory_bytes, records are sorted by way of files in
/// `spill`, with the same result. Fails with cancelled or as RecordSorter does.
Result<UnionFind> link_documents(const KeyStore& store, const DedupOptions& options, size_t bands,
                                 const std::filesystem::path& spill, const std::stop_token& stop);

}  // namespace kedge::curate
