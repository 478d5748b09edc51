#include "text/tokenizer/character_joins.h"

#include "text/unicode/utf8.h"

namespace kedge::text {

void CharacterJoins::note(std::string_view piece) {
  char32_t previous = kInvalidCharacter;
  while (!piece.empty()) {
    const DecodedCharacter character = decode_character(piece);
    if (previous != kInvalidCharacter) {
      const uint32_t a = dense_index(previous);
      const uint32_t b = dense_index(character.code);
      if (a < kDense && b < kDense) {
        dense_[a * kDense + b] = 1;
      } else {
        sparse_[sparse_index(previous, character.code)] = 1;
      }
    }
    previous = character.code;
    piece.remove_prefix(character.size);
  }
}

}  // namespace kedge::text
