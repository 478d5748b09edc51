#pragma once
// Documents as tokens, ready for a trainer.

#include <filesystem>
#include <stop_token>

#include "curate/annotate.h"
#include "kedge/tokenizer.h"

namespace kedge::curate {

enum class TokenFormat : uint8_t {
  megatron,  // PREFIX.bin and PREFIX.idx, as Megatron-LM's IndexedDataset (and NeMo) read them
  array      // PREFIX.bin alone: token after token, for numpy.fromfile or numpy.memmap
};

struct PackOptions {
  TokenFormat format = TokenFormat::megatron;
  int64_t length = 0;  // tokens of a sequence, documents end to end, the last rest left out; 0: a sequence a document
  TokenId end_token = -1;  // after each document; -1: none
};

struct PackCounts {
  Counts documents;
  uint64_t tokens = 0, sequences = 0, left_out = 0;  // left_out: tokens of the rest
};

/// Job::output is PREFIX. Tokens take 16 bits where the vocabulary allows, else 32. Files appear whole or not at all,
/// the .idx last. Memory: 4 bytes a sequence. Fails as `visit` does, and with unsupported (a text beyond the
/// tokenizer's limit).
Result<PackCounts> pack_tokens(const Job& job, const Tokenizer& tokenizer, const PackOptions& options, WorkerPool& pool,
                               const Events& events, const std::stop_token& stop);

}  // namespace kedge::curate
