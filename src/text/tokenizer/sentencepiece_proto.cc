// The protocol buffer of a SentencePiece model (sentencepiece_model.proto).

#include <fmt/format.h>

#include <cmath>

#include "text/tokenizer/limits.h"
#include "text/tokenizer/protobuf_reader.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

using Field = ProtobufField;

bool is(const Field& field, uint32_t number, Field::Type type) {
  return field.number == number && field.type == type;
}

Result<SentencePieces::Piece> parse_piece(std::string_view message, size_t index) {
  SentencePieces::Piece piece;
  uint64_t type = 1;
  KEDGE_TRY(for_each_field(message, [&](const Field& field) -> Status {
    if (is(field, 1, Field::Type::bytes)) piece.text = field.bytes;
    if (is(field, 2, Field::Type::fixed32)) piece.score = field.as_float();
    if (is(field, 3, Field::Type::varint)) type = field.value;
    return Done{};
  }));
  if (type < 1 || type > 6 || !std::isfinite(piece.score) || piece.text.empty()) {
    return Error{
        ErrorKind::corrupt_data,
        fmt::format("piece {}: '{}' with score {} and type {}, expected a text, a finite score and a type from "
                    "1 to 6",
                    index, piece.text.substr(0, 64), piece.score, type)};
  }
  piece.type = static_cast<SentencePieces::Type>(type);
  return piece;
}

Status parse_trainer_spec(std::string_view message, SentencePieces& pieces) {
  uint64_t model_type = 1;
  KEDGE_TRY(for_each_field(message, [&](const Field& field) -> Status {
    if (is(field, 3, Field::Type::varint)) model_type = field.value;
    if (is(field, 24, Field::Type::varint)) pieces.space_is_suffix = field.as_bool();
    if (is(field, 35, Field::Type::varint)) pieces.byte_fallback = field.as_bool();
    if (is(field, 44, Field::Type::bytes)) pieces.unknown_surface = field.bytes;
    if (is(field, 46, Field::Type::bytes)) pieces.bos_piece = field.bytes;
    if (is(field, 47, Field::Type::bytes)) pieces.eos_piece = field.bytes;
    return Done{};
  }));
  if (!is_valid_utf8(pieces.unknown_surface)) {
    return Error{ErrorKind::corrupt_data, "the surface of unknown pieces is not UTF-8"};
  }
  if (model_type != 1 && model_type != 2) {
    return Error{ErrorKind::unsupported,
                 fmt::format("model type {} is not implemented, only unigram (1) and BPE (2)", model_type)};
  }
  pieces.algorithm = model_type == 1 ? SentencePieces::Algorithm::unigram : SentencePieces::Algorithm::bpe;
  return Done{};
}

Status parse_normalizer_spec(std::string_view message, SentencePieces& pieces) {
  return for_each_field(message, [&](const Field& field) -> Status {
    if (is(field, 2, Field::Type::bytes)) pieces.charsmap = field.bytes;
    if (is(field, 3, Field::Type::varint)) pieces.add_dummy_prefix = field.as_bool();
    if (is(field, 4, Field::Type::varint)) pieces.remove_extra_whitespaces = field.as_bool();
    if (is(field, 5, Field::Type::varint)) pieces.escape_whitespaces = field.as_bool();
    return Done{};
  });
}

Status refuse_denormalizer(std::string_view message) {
  return for_each_field(message, [&](const Field& field) -> Status {
    if (!is(field, 2, Field::Type::bytes) || field.bytes.empty()) return Done{};
    return Error{ErrorKind::unsupported, "a denormalizer (character map for decoding) is not implemented"};
  });
}

/// Unused pieces still take part in merges and are taken apart again afterwards; no published BPE model has any.
Status refuse_unused_in_bpe(const SentencePieces& pieces) {
  if (pieces.algorithm != SentencePieces::Algorithm::bpe) return Done{};
  for (const SentencePieces::Piece& piece : pieces.pieces) {
    if (piece.type != SentencePieces::Type::unused) continue;
    return Error{ErrorKind::unsupported,
                 fmt::format("piece '{}' is marked unused, which is not implemented for BPE", piece.text)};
  }
  return Done{};
}

}  // namespace

Result<SentencePieces> parse_sentencepiece_model(std::string_view bytes) {
  SentencePieces pieces;
  KEDGE_TRY(for_each_field(bytes, [&](const Field& field) -> Status {
    if (field.type != Field::Type::bytes) return Done{};
    switch (field.number) {
      case 1: {
        if (pieces.pieces.size() >= kTokenCountMax) {
          return Error{ErrorKind::corrupt_data, fmt::format("more than {} pieces", kTokenCountMax)};
        }
        KEDGE_ASSIGN(const SentencePieces::Piece piece, parse_piece(field.bytes, pieces.pieces.size()));
        pieces.pieces.push_back(piece);
        return Done{};
      }
      case 2:
        return parse_trainer_spec(field.bytes, pieces);
      case 3:
        return parse_normalizer_spec(field.bytes, pieces);
      case 5:
        return refuse_denormalizer(field.bytes);
      default:
        return Done{};
    }
  }));
  if (pieces.pieces.empty()) return Error{ErrorKind::corrupt_data, "there are no pieces"};
  KEDGE_TRY(refuse_unused_in_bpe(pieces));
  return pieces;
}

}  // namespace kedge::text
