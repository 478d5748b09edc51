#pragma once
// One shard through one stage: the steps up to the next deduplication.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/thread_pool.h"
#include "curate/annotate.h"
#include "curate/dedup/key_files.h"
#include "curate/dedup/keys.h"
#include "curate/dedup/units.h"
#include "curate/dedup/vectors.h"
#include "curate/pipeline/statistics.h"
#include "curate/pipeline/step.h"
#include "data/document_file.h"

namespace kedge::curate {

/// What deduplication does to a document: drops it for another (its id, JSON), cuts its text, or leaves pieces of it.
struct Removal {
  std::string of;
  std::vector<ByteSpan> cuts;    // both empty: dropped
  std::vector<ByteSpan> pieces;  // of decontamination: each becomes a document
};

/// Of a shard, by record number.
using Duplicates = std::unordered_map<uint64_t, Removal>;

struct Stage {
  std::vector<std::unique_ptr<Step>> steps;
  std::unique_ptr<KeyMaker> keys;       // of the deduplication that follows; null: there is none, or it is semantic
  std::optional<VectorSource> vectors;  // of a semantic one
  bool after_dedup = false;             // it begins by removing duplicates: step 0 of its statistics
  DedupOptions before;                  // of that deduplication
  bool extracts = false;                // its first step reads pages
};

struct ShardJob {
  std::vector<data::Input> inputs;  // one after the other
  std::filesystem::path output;
  uint64_t output_bytes = 0;      // of lines in one file of several; 0: one file
  std::filesystem::path rejects;  // where records that are no documents are named; empty: nowhere
  data::Fields fields;            // of the input
  std::string text_field;         // of the output
  Duplicates duplicates;
  uint64_t records_enough = UINT64_MAX;  // as in Job
  data::ParquetOutput parquet;           // of the last stage, for Parquet
  bool number_rows = false;              // the first stage of rows that become rows again: lines say which
  bool number_documents = false;         // likewise of documents that a later stage may split, from 1 on
  bool numbered = false;                 // the input's lines say which: pieces of one document count as one
  bool forget_numbers = false;           // the output's lines do not
  bool text_ids = false;                 // ids become strings, for a column of them
};

struct ShardResult {
  StageStatistics statistics;
  std::vector<data::WrittenFile> output;  // its files, in order
  std::vector<data::WrittenFile> keys{};  // those of a deduplication behind it
  [[nodiscard]] uint64_t bytes() const;   // of its output
};

/// Output and keys appear whole or not at all. Fails with cancelled, or what writing returns; an input that cannot be
/// read is one rejected record.
Result<ShardResult> run_shard(const Stage& stage, const ShardJob& job, WorkerPool& pool, const Events& events,
                              const std::stop_token& stop);

/// What deduplication with these options does to one document; null: nothing. Its details say what is cut, in code
/// points of the text as it came; a text of which too little is left stays as it is, and so does one that falls into
/// several pieces: `make_piece` makes the documents.
Outcome remove_duplicate(data::Document& document, const Removal* removal, const DedupOptions& dedup);

/// Puts one piece of a text in a document's place, its id ID-INDEX, a string.
void make_piece(data::Document& document, const data::Document& whole, const Removal& removal, size_t index);

/// Of unit length; empty where there is none, or none of a finite length above 0.
std::vector<float> unit_vector(const VectorSource& source, std::string_view text, std::string_view line);

/// A kept document as a line, with its newline: the line that it was read from, the text and the members that steps set
/// replaced, or a new one.
std::string output_line(const data::Document& document, const ShardJob& job, bool text_changed, bool extracted,
                        const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace kedge::curate
