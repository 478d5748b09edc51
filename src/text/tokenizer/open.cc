// Tokenizer::open: which file of a path to read, and as what.

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "core/file.h"
#include "kedge/tokenizer.h"
#include "text/tokenizer/bert_vocabulary.h"
#include "text/tokenizer/byte_ranks.h"
#include "text/tokenizer/gguf_vocabulary.h"
#include "text/tokenizer/limits.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/tokenizer/tokenizer_json.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;
using TokenizerResult = Result<std::shared_ptr<const Tokenizer>>;

constexpr const char* kDebertaName = "spm.model";  // in a folder, DeBERTa's SentencePiece file

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// The file of a folder that holds its vocabulary.
Result<fs::path> find_vocabulary(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "tekken.json", "tokenizer.model", kDebertaName, "vocab.txt"}) {
    if (is_file(folder / name)) return folder / name;
  }
  std::vector<fs::path> gguf;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".gguf") gguf.push_back(entry.path());
  }
  if (gguf.size() == 1) return gguf.front();
  return Error{ErrorKind::not_found,
               fmt::format("{}: no vocabulary, expected tokenizer.json, tekken.json, tokenizer.model, spm.model, "
                           "vocab.txt or one .gguf file ({} found)",
                           folder.string(), gguf.size())};
}

/// The first byte of every SentencePiece file: field 1, a message.
bool is_protobuf(std::string_view bytes) {
  return bytes.starts_with('\x0A');
}

TokenizerResult open_json(std::string_view bytes, const fs::path& path, const text::TokenizerConfig& config) {
  // The rest of a mapping's last page can be read, which spares the parser a copy of the file.
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t readable_after = (page - bytes.size() % page) % page;
  // Mistral gives tekken files other names too; the format shows in its two top-level keys.
  const bool tekken = path.filename().string().starts_with("tekken");
  return tekken ? text::load_tekken_json(bytes, path.string(), config, readable_after)
                : text::load_tokenizer_json(bytes, path.string(), config, readable_after);
}

/// DeBERTa's file does not say what stands around a text; transformers' DebertaV2Tokenizer does: [CLS] text [SEP], and
/// [CLS] a [SEP] b [SEP].
TokenizerResult open_deberta(std::string_view bytes, const fs::path& path, text::TokenizerConfig config) {
  for (const auto& [set, name] :
       {std::pair(config.lower_case, "do_lower_case"), std::pair(config.split_by_punct, "split_by_punct")}) {
    if (!set.value_or(false)) continue;
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: tokenizer_config.json sets {}, which is done with tokenizer.json alone, expected that "
                    "file beside it",
                    path.string(), name)};
  }
  config.bos_token = "[CLS]";
  config.eos_token = "[SEP]";
  config.add_bos_token = config.add_eos_token = config.pair_begins_once = true;
  return text::load_sentencepiece_model(bytes, path.string(), config);
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::open(const fs::path& path) {
  fs::path file = path;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    KEDGE_ASSIGN(file, find_vocabulary(path));
  }
  if (file.extension() == ".gguf") {
    KEDGE_ASSIGN(const auto gguf, formats::GgufFile::open(file));
    return text::load_gguf_vocabulary(*gguf);
  }
  KEDGE_ASSIGN(const auto mapped, MappedFile::open(file));
  const std::string_view bytes(reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size());
  if (bytes.size() > text::kTokenizerFileBytesMax) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: {} bytes, the limit is {}", file.string(), bytes.size(),
                                                      text::kTokenizerFileBytesMax)};
  }
  KEDGE_ASSIGN(const text::TokenizerConfig config, text::read_tokenizer_config(file.parent_path()));
  if (file.extension() == ".json") return open_json(bytes, file, config);
  if (file.extension() == ".txt") return text::load_bert_vocabulary(bytes, file.string(), config);
  if (file != path && file.filename() == kDebertaName) return open_deberta(bytes, file, config);
  if (is_protobuf(bytes)) return text::load_sentencepiece_model(bytes, file.string(), config);
  if (text::is_tiktoken_file(bytes)) return text::load_tiktoken_file(bytes, file.string(), config);
  return Error{ErrorKind::unsupported,
               fmt::format("{}: neither tokenizer.json, tekken.json, a SentencePiece or tiktoken file, vocab.txt nor "
                           "GGUF",
                           file.string())};
}

}  // namespace kedge
