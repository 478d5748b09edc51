#include "curate/pack.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <limits>

#include "data/line_file.h"

namespace kedge::curate {
namespace {

// Megatron-LM, megatron/core/datasets/indexed_dataset.py: numbers are little-endian, types have a code of a byte.
constexpr std::string_view kIndexMagic("MMIDIDX\0\0", 9);
constexpr uint64_t kIndexVersion = 1;
constexpr uint8_t kInt32Code = 4;
constexpr uint8_t kUint16Code = 8;
constexpr size_t kUint16VocabularyMax = 65500;  // Megatron-LM's own border

template <typename Number>
void append_number(std::string& out, Number value) {
  std::array<char, sizeof(Number)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(Number));
  out.append(bytes.data(), bytes.size());
}

class TokenWriter {
 public:
  TokenWriter(data::LineFile file, bool narrow) : file_(std::move(file)), narrow_(narrow) {}

  Status add(std::span<const TokenId> tokens) {
    bytes_.clear();
    for (const TokenId token : tokens) {
      if (narrow_) {
        append_number(bytes_, static_cast<uint16_t>(token));
      } else {
        append_number(bytes_, token);
      }
    }
    return file_.write(bytes_);
  }
  Status commit() { return file_.commit(); }

 private:
  data::LineFile file_;
  bool narrow_;
  std::string bytes_;  // of the tokens at hand
};

Status write_index(const std::filesystem::path& path, const std::vector<int32_t>& lengths, bool narrow) {
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(path));
  std::string out(kIndexMagic);
  append_number(out, kIndexVersion);
  append_number(out, narrow ? kUint16Code : kInt32Code);
  append_number(out, static_cast<uint64_t>(lengths.size()));
  append_number(out, static_cast<uint64_t>(lengths.size() + 1));
  KEDGE_TRY(file.write(out));
  const auto write_each = [&](auto&& number_of, size_t count) -> Status {
    for (size_t i = 0; i < count; ++i) {
      out.clear();
      append_number(out, number_of(i));
      KEDGE_TRY(file.write(out));
    }
    return Done{};
  };
  KEDGE_TRY(write_each([&](size_t i) { return lengths[i]; }, lengths.size()));
  int64_t at = 0;
  const auto start_of = [&](size_t i) {
    const int64_t start = at;
    at += int64_t{lengths[i]} * (narrow ? 2 : 4);
    return start;
  };
  KEDGE_TRY(write_each(start_of, lengths.size()));
  KEDGE_TRY(write_each([](size_t i) { return static_cast<int64_t>(i); }, lengths.size() + 1));
  return file.commit();
}

/// Cuts documents laid end to end into sequences.
class Sequences {
 public:
  Sequences(TokenWriter& writer, int64_t length) : writer_(writer), length_(length) {}

  Status add(const std::vector<TokenId>& document) {
    if (length_ == 0) {
      lengths_.push_back(static_cast<int32_t>(document.size()));
      tokens_ += document.size();
      return writer_.add(document);
    }
    rest_.insert(rest_.end(), document.begin(), document.end());
    const auto length = static_cast<size_t>(length_);
    size_t done = 0;
    for (; rest_.size() - done >= length; done += length) {
      KEDGE_TRY(writer_.add(std::span(rest_).subspan(done, length)));
      lengths_.push_back(static_cast<int32_t>(length));
      tokens_ += length;
    }
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(done));
    return Done{};
  }
  [[nodiscard]] const std::vector<int32_t>& lengths() const { return lengths_; }
  [[nodiscard]] uint64_t tokens() const { return tokens_; }
  [[nodiscard]] uint64_t left_out() const { return rest_.size(); }

 private:
  TokenWriter& writer_;
  int64_t length_;
  std::vector<TokenId> rest_;
  std::vector<int32_t> lengths_;
  uint64_t tokens_ = 0;
};

}  // namespace

Result<PackCounts> pack_tokens(const Job& job, const Tokenizer& tokenizer, const PackOptions& options, WorkerPool& pool,
                               const Events& events, const std::stop_token& stop) {
  const bool narrow = tokenizer.vocabulary_size() < kUint16VocabularyMax;
  const std::string prefix = job.output.string();
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(prefix + ".bin"));
  TokenWriter writer(std::move(file), narrow);
  Sequences sequences(writer, options.length);
  Visitor<std::vector<TokenId>> visitor;
  visitor.takes_text = false;
  visitor.attempt = [&](const data::Document& document, std::vector<TokenId>& ids) -> Status {
    auto tokens = tokenizer.encode(document.text, {.parse_special = false});
    if (!tokens.ok() || tokens.value().size() >= std::numeric_limits<int32_t>::max()) {
      return Error{ErrorKind::unsupported, fmt::format("document {}: too long to be tokenized", document.id_json)};
    }
    ids = std::move(tokens).value();
    if (options.end_token >= 0) ids.push_back(options.end_token);
    return Done{};
  };
  visitor.take = [&](const std::vector<TokenId>& ids, data::Document&) { return sequences.add(ids); };
  PackCounts counts;
  KEDGE_ASSIGN(counts.documents, visit(job, visitor, pool, events, stop));
  KEDGE_TRY(writer.commit());
  if (options.format == TokenFormat::megatron) KEDGE_TRY(write_index(prefix + ".idx", sequences.lengths(), narrow));
  counts.tokens = sequences.tokens();
  counts.sequences = sequences.lengths().size();
  counts.left_out = sequences.left_out();
  return counts;
}

}  // namespace kedge::curate
