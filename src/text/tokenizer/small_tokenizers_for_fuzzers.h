#pragma once
// Fuzzers only: a small tokenizer of every kind, and byte pair encoding by its definition.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/json.h"
#include "text/tokenizer/bert_vocabulary.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/tokenizer/tokenizer_json.h"
#include "text/tokenizer/word_scanner.h"

namespace kedge::text {

using Merges = std::vector<std::pair<std::string, std::string>>;

/// In the order of their ranks. Parts are made by merges before them, or are single bytes.
inline const Merges& small_byte_merges() {
  static const Merges merges = {
      {"h", "e"},   {"l", "l"},   {"he", "ll"},     {"hell", "o"},        {" ", "t"}, {" t", "he"},
      {"i", "n"},   {"in", "g"},  {" ", "\xC3"},    {"\xC3", "\xA9"},     {"0", "0"}, {"00", "0"},
      {" ", " "},   {"  ", "  "}, {"\xF0", "\x9F"}, {"\xF0\x9F", "\x98"}, {"a", "a"}, {"aa", "a"},
      {"aa", "aa"}, {"\n", "\n"}, {"\xE2", "\x96"}, {"\xE2\x96", "\x81"}, {"'", "s"}, {"A", "B"},
      {"AB", "AB"}, {"b", "AB"},  {"\xFF", "\xFF"}, {"\xCC", "\x81"},     {"=", "="}, {"==", "=="}};
  return merges;
}

/// Merges the leftmost pair of lowest rank until there is none: quadratic, and nothing but the definition.
inline std::vector<std::string> merge_by_definition(std::vector<std::string> parts, const Merges& merges) {
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (size_t rank = 0; rank < merges.size(); ++rank) ranks.emplace(merges[rank], rank);
  while (true) {
    size_t best = merges.size();
    size_t place = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto rank = ranks.find({parts[i], parts[i + 1]});
      if (rank == ranks.end() || rank->second >= best) continue;
      best = rank->second;
      place = i;
    }
    if (best == merges.size()) return parts;
    parts[place] += parts[place + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(place) + 1);
  }
}

inline std::string byte_spelling(std::string_view bytes) {
  std::string spelled;
  append_byte_spelling(spelled, bytes);
  return spelled;
}

inline std::shared_ptr<const Tokenizer> opened(Result<std::shared_ptr<const Tokenizer>> tokenizer) {
  KEDGE_CHECK(tokenizer.ok());
  return std::move(tokenizer).value();
}

/// Byte-level BPE with the given split pattern.
inline std::shared_ptr<const Tokenizer> small_byte_level(std::string_view pattern) {
  Json vocab = Json::object();
  Json merges = Json::array();
  for (int byte = 0; byte < 256; ++byte) {
    vocab[byte_spelling(std::string(1, static_cast<char>(byte)))] = vocab.size();
  }
  for (const auto& [left, right] : small_byte_merges()) {
    const std::string merged = byte_spelling(left + right);
    if (!vocab.contains(merged)) vocab[merged] = vocab.size();
    merges.push_back({byte_spelling(left), byte_spelling(right)});
  }
  const Json split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const Json special = {{"id", vocab.size()}, {"content", "<|end|>"}, {"special", true}};
  const Json root = {{"added_tokens", {special}},
                     {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}}},
                     {"decoder", {{"type", "ByteLevel"}}},
                     {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
  return opened(load_tokenizer_json(to_text(root), "small byte-level BPE", {}));
}

/// SentencePiece with byte fallback: pieces of falling score over a few letters.
inline std::shared_ptr<const Tokenizer> small_sentencepiece(SentencePieces::Algorithm algorithm) {
  static const std::vector<std::string> kNormal = {"\xE2\x96\x81t",
                                                   "he",
                                                   "\xE2\x96\x81the",
                                                   "in",
                                                   "ll",
                                                   "hell",
                                                   "hello",
                                                   "\xE2\x96\x81hello",
                                                   "\xE2\x96\x81",
                                                   "\xE2\x96\x81\xE2\x96\x81",
                                                   "aa",
                                                   "aaaa",
                                                   "\xC3\xA9",
                                                   "a",
                                                   "b",
                                                   "e",
                                                   "h",
                                                   "i",
                                                   "l",
                                                   "n",
                                                   "o",
                                                   "t",
                                                   ".",
                                                   "\n"};
  SentencePieces pieces;
  pieces.algorithm = algorithm;
  pieces.byte_fallback = true;
  pieces.remove_extra_whitespaces = false;
  using Type = SentencePieces::Type;
  pieces.pieces = {{"<unk>", 0, Type::unknown}, {"<s>", 0, Type::control}, {"</s>", 0, Type::control}};
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(fallback_token(static_cast<uint8_t>(byte)));
  for (const std::string& byte : bytes) pieces.pieces.push_back({byte, 0, Type::byte});
  float score = 0;
  for (const std::string& text : kNormal) pieces.pieces.push_back({text, score -= 1, Type::normal});
  auto parts = make_sentencepiece_parts(pieces, {});
  KEDGE_CHECK(parts.ok());
  return opened(make_tokenizer(std::move(parts).value()));
}

/// Unigram without bytes, as tokenizer.json has it.
inline std::shared_ptr<const Tokenizer> small_unigram_json() {
  static constexpr std::string_view kText = R"({
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
    "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["▁", -2], ["▁the", -3], ["the", -3.5], ["e", -4],
      ["h", -4.5], ["t", -4.25], ["é", -6], ["ing", -3.25], ["in", -3], ["g", -5], ["n", -5], ["i", -5], ["aa", -4],
      ["a", -4], ["aaaa", -8.5]]}})";
  return opened(load_tokenizer_json(kText, "small Unigram", {}));
}

inline std::shared_ptr<const Tokenizer> small_wordpiece() {
  static constexpr std::string_view kText =
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nhe\n##llo\n##l\n##o\n##he\n.\n,\n'\ns\na\n##a\n##aa\ne\n##e\n\xE4\xB8\xAD\n";
  return opened(load_bert_vocabulary(kText, "small WordPiece", {}));
}

}  // namespace kedge::text
