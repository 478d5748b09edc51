// Encoding and opening, with a checksum of the ids. Of its own a few words with a byte-level vocabulary of single
// bytes; of a real vocabulary and texts where KEDGE_BENCH_TOKENIZER (a file for Tokenizer::open) and KEDGE_BENCH_TEXT
// (texts that are separated by NUL bytes) name them, as bench/tokenizers.py does.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/file.h"
#include "core/json.h"
#include "kedge/tokenizer.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/limits.h"
#include "text/tokenizer/tokenizer_json.h"

namespace kedge::text {
namespace {

constexpr EncodeOptions kPlain = {.add_special = false, .parse_special = false};

std::string path_from(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? std::string() : value;
}

std::string small_tokenizer_json() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string spelled;
    append_byte_spelling(spelled, std::string(1, static_cast<char>(byte)));
    vocab[spelled] = byte;
  }
  return to_text({{"pre_tokenizer", {{"type", "ByteLevel"}}},
                  {"decoder", {{"type", "ByteLevel"}}},
                  {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}});
}

std::shared_ptr<const Tokenizer> open_tokenizer() {
  const std::string path = path_from("KEDGE_BENCH_TOKENIZER");
  auto tokenizer = path.empty() ? load_tokenizer_json(small_tokenizer_json(), "small", {}) : Tokenizer::open(path);
  KEDGE_CHECK(tokenizer.ok());
  return std::move(tokenizer).value();
}

std::string read_texts() {
  const std::string path = path_from("KEDGE_BENCH_TEXT");
  if (path.empty()) return "The quick brown fox\njumps over 13 lazy dogs";
  auto text = read_file(path, kTextBytesMax);
  KEDGE_CHECK(text.ok());
  return std::move(text).value();
}

std::vector<std::string_view> split_at_nul(std::string_view all) {
  std::vector<std::string_view> texts;
  while (!all.empty()) {
    texts.push_back(all.substr(0, all.find('\0')));
    all.remove_prefix(std::min(texts.back().size() + 1, all.size()));
  }
  return texts;
}

/// One pass before the timed ones fills the word cache.
void encode(benchmark::State& state) {
  const auto tokenizer = open_tokenizer();
  const std::string all = read_texts();
  const std::vector<std::string_view> texts = split_at_nul(all);
  size_t bytes = 0;
  size_t tokens = 0;
  double checksum = 0;
  for (const std::string_view text : texts) {
    const auto ids = tokenizer->encode(text, kPlain);
    KEDGE_CHECK(ids.ok());
    bytes += text.size();
    for (const TokenId id : ids.value()) checksum += static_cast<double>(id) * static_cast<double>(tokens++ % 97 + 1);
  }
  for (auto _ : state) {
    for (const std::string_view text : texts) benchmark::DoNotOptimize(tokenizer->encode(text, kPlain));
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * static_cast<int64_t>(state.iterations()));
  state.counters["tokens"] = static_cast<double>(tokens);
  state.counters["checksum"] = checksum;
}

void open(benchmark::State& state) {
  size_t tokens = 0;
  for (auto _ : state) tokens = open_tokenizer()->vocabulary_size();
  state.counters["tokens"] = static_cast<double>(tokens);
}

BENCHMARK(encode)->Name("tokenizer_encode")->Unit(benchmark::kMillisecond);
BENCHMARK(open)->Name("tokenizer_open")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kedge::text
