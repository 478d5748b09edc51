#include "text/tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/regex_pattern.h"
#include "text/unicode/character.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

/// Ranges that cover a text, each a delimiter or not.
struct Section {
  TextRange range;
  bool delimiter = false;
};

/// Whether a section belongs to the piece of the section before it.
bool joins_previous(SplitBehavior behavior, bool delimiter, bool after_delimiter) {
  switch (behavior) {
    case SplitBehavior::contiguous:
      return delimiter == after_delimiter;
    case SplitBehavior::merged_with_previous:
      return delimiter && !after_delimiter;
    case SplitBehavior::merged_with_next:
      return !delimiter && after_delimiter;
    default:
      return false;
  }
}

/// Cuts `piece` at sections that come one after the other, delimiters handled as `behavior` says.
class SectionCutter {
 public:
  SectionCutter(const Piece& piece, SplitBehavior behavior, PieceList& out)
      : piece_(piece), behavior_(behavior), out_(out) {}

  void add(const Section& section) {
    const bool join =
        has_pending_ && joins_previous(behavior_, section.delimiter, /*after_delimiter=*/last_is_delimiter_);
    if (join) {
      pending_.range.end = section.range.end;
    } else {
      flush();
      pending_ = section;
      has_pending_ = true;
    }
    last_is_delimiter_ = section.delimiter;
  }

  void flush() {
    if (!has_pending_) return;
    const TextRange range = pending_.range;
    const bool removed = behavior_ == SplitBehavior::removed && pending_.delimiter;
    if (!removed && range.end > range.begin) {
      out_.pieces.push_back(
          {piece_.text.substr(range.begin, range.end - range.begin), piece_.at_start && range.begin == 0});
    }
    has_pending_ = false;
  }

 private:
  const Piece& piece_;
  SplitBehavior behavior_;
  PieceList& out_;
  Section pending_;
  bool has_pending_ = false;
  bool last_is_delimiter_ = false;
};

bool is_kind(char32_t code, CharacterKind kind) {
  switch (kind) {
    case CharacterKind::digit:
      return (character_flags(code) & kNumber) != 0;
    case CharacterKind::white_space:
      return (character_flags(code) & kSpace) != 0;
    case CharacterKind::punctuation:
      return is_bert_punctuation(code);
  }
  return false;
}

class CharacterSplit : public PreTokenizerStep {
 public:
  CharacterSplit(CharacterKind kind, SplitBehavior behavior) : kind_(kind), behavior_(behavior) {}

  Status apply(const Piece& piece, PieceList& out) const override {
    SectionCutter cutter(piece, behavior_, out);
    size_t plain_begin = 0;
    for (size_t position = 0; position < piece.text.size();) {
      const DecodedCharacter character = decode_character(piece.text.substr(position));
      const size_t next = position + character.size;
      if (is_kind(character.code, kind_)) {
        if (position > plain_begin) cutter.add({{plain_begin, position}, false});
        cutter.add({{position, next}, true});
        plain_begin = next;
      }
      position = next;
    }
    if (piece.text.size() > plain_begin) cutter.add({{plain_begin, piece.text.size()}, false});
    cutter.flush();
    return Done{};
  }

 private:
  CharacterKind kind_;
  SplitBehavior behavior_;
};

class StringSplit : public PreTokenizerStep {
 public:
  StringSplit(std::string delimiter, SplitBehavior behavior, bool invert)
      : delimiter_(std::move(delimiter)), behavior_(behavior), invert_(invert) {}

  Status apply(const Piece& piece, PieceList& out) const override {
    SectionCutter cutter(piece, behavior_, out);
    size_t begin = 0;
    while (begin < piece.text.size()) {
      const size_t hit = std::min(piece.text.find(delimiter_, begin), piece.text.size());
      if (hit > begin) cutter.add({{begin, hit}, invert_});
      if (hit == piece.text.size()) break;
      cutter.add({{hit, hit + delimiter_.size()}, !invert_});
      begin = hit + delimiter_.size();
    }
    cutter.flush();
    return Done{};
  }

 private:
  std::string delimiter_;
  SplitBehavior behavior_;
  bool invert_;
};

class RegexSplit : public PreTokenizerStep {
 public:
  RegexSplit(std::shared_ptr<const RegexPattern> pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  Status apply(const Piece& piece, PieceList& out) const override {
    SectionCutter cutter(piece, behavior_, out);
    const auto finder = pattern_->find_in(piece.text);
    size_t begin = 0;
    while (true) {
      KEDGE_ASSIGN(const std::optional<TextRange> match, finder->next());
      const size_t hit = match.has_value() ? match->begin : piece.text.size();
      if (hit > begin) cutter.add({{begin, hit}, invert_});
      if (!match.has_value()) break;
      cutter.add({*match, !invert_});
      begin = match->end;
    }
    cutter.flush();
    return Done{};
  }

 private:
  std::shared_ptr<const RegexPattern> pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class ScannerSplit : public PreTokenizerStep {
 public:
  explicit ScannerSplit(WordScanner scanner) : scanner_(scanner) {}

  Status apply(const Piece& piece, PieceList& out) const override {
    for (size_t begin = 0; begin < piece.text.size();) {
      const size_t end = scanner_(piece.text, begin);
      out.pieces.push_back({piece.text.substr(begin, end - begin), piece.at_start && begin == 0});
      begin = end;
    }
    return Done{};
  }

 private:
  WordScanner scanner_;
};

class WordSplit : public PreTokenizerStep {
 public:
  Status apply(const Piece& piece, PieceList& out) const override {
    enum class Kind { space, word, symbol };
    const auto kind_of = [](char32_t code) {
      if ((character_flags(code) & kSpace) != 0) return Kind::space;
      return is_word_character(code) ? Kind::word : Kind::symbol;
    };
    for (size_t begin = 0; begin < piece.text.size();) {
      const Kind kind = kind_of(decode_character(piece.text.substr(begin)).code);
      size_t end = begin;
      while (end < piece.text.size()) {
        const DecodedCharacter character = decode_character(piece.text.substr(end));
        if (kind_of(character.code) != kind) break;
        end += character.size;
      }
      if (kind != Kind::space) {
        out.pieces.push_back({piece.text.substr(begin, end - begin), piece.at_start && begin == 0});
      }
      begin = end;
    }
    return Done{};
  }
};

class Metaspace : public PreTokenizerStep {
 public:
  Metaspace(std::string replacement, PrependScheme scheme, bool split)
      : replacement_(std::move(replacement)), scheme_(scheme), split_(split) {}

  Status apply(const Piece& piece, PieceList& out) const override {
    std::string text;
    text.reserve(piece.text.size() + piece.text.size() / 4 + replacement_.size());
    const bool prepend = scheme_ == PrependScheme::always || (scheme_ == PrependScheme::first && piece.at_start);
    if (prepend && !piece.text.starts_with(replacement_) && !piece.text.starts_with(' ')) text = replacement_;
    for (size_t begin = 0; begin < piece.text.size();) {
      const size_t space = std::min(piece.text.find(' ', begin), piece.text.size());
      text.append(piece.text, begin, space - begin);
      if (space < piece.text.size()) text.append(replacement_);
      begin = space + 1;
    }
    const Piece whole{out.own(std::move(text)), piece.at_start};
    if (!split_) {
      out.pieces.push_back(whole);
      return Done{};
    }
    return StringSplit(replacement_, SplitBehavior::merged_with_next, false).apply(whole, out);
  }

 private:
  std::string replacement_;
  PrependScheme scheme_;
  bool split_;
};

class PrefixSpace : public PreTokenizerStep {
 public:
  Status apply(const Piece& piece, PieceList& out) const override {
    if (piece.text.starts_with(' ')) {
      out.pieces.push_back(piece);
    } else {
      out.pieces.push_back({out.own(" " + std::string(piece.text)), piece.at_start});
    }
    return Done{};
  }
};

class ByteSpeller : public PreTokenizerStep {
 public:
  Status apply(const Piece& piece, PieceList& out) const override {
    std::string text;
    append_byte_spelling(text, piece.text);
    out.pieces.push_back({out.own(std::move(text)), piece.at_start});
    return Done{};
  }
};

class ByteUnspeller : public PreTokenizerStep {
 public:
  Status apply(const Piece& piece, PieceList& out) const override {
    std::string text;
    if (!append_spelled_bytes(text, piece.text)) text = piece.text;
    out.pieces.push_back({out.own(std::move(text)), piece.at_start});
    return Done{};
  }
};

}  // namespace

Status PreTokenizer::run_steps(const Piece& text, PieceList& list) const {
  list.pieces = {text};
  for (const auto& step : steps_) {
    const std::vector<Piece> pieces = std::move(list.pieces);
    list.pieces.clear();
    for (const Piece& piece : pieces) {
      if (!piece.text.empty()) KEDGE_TRY(step->apply(piece, list));
    }
  }
  return Done{};
}

std::unique_ptr<const PreTokenizerStep> make_character_split(CharacterKind kind, SplitBehavior behavior) {
  return std::make_unique<CharacterSplit>(kind, behavior);
}
std::unique_ptr<const PreTokenizerStep> make_string_split(std::string delimiter, SplitBehavior behavior, bool invert) {
  return std::make_unique<StringSplit>(std::move(delimiter), behavior, invert);
}
Result<std::unique_ptr<const PreTokenizerStep>> make_regex_split(std::string_view pattern, SplitBehavior behavior,
                                                                 bool invert) {
  KEDGE_ASSIGN(auto compiled, RegexPattern::compile(pattern));
  return std::unique_ptr<const PreTokenizerStep>(std::make_unique<RegexSplit>(std::move(compiled), behavior, invert));
}
std::unique_ptr<const PreTokenizerStep> make_scanner_split(WordScanner scanner) {
  return std::make_unique<ScannerSplit>(scanner);
}
std::unique_ptr<const PreTokenizerStep> make_word_split() {
  return std::make_unique<WordSplit>();
}
std::unique_ptr<const PreTokenizerStep> make_metaspace(std::string replacement, PrependScheme scheme, bool split) {
  return std::make_unique<Metaspace>(std::move(replacement), scheme, split);
}
std::unique_ptr<const PreTokenizerStep> make_prefix_space() {
  return std::make_unique<PrefixSpace>();
}
std::unique_ptr<const PreTokenizerStep> make_byte_speller() {
  return std::make_unique<ByteSpeller>();
}
std::unique_ptr<const PreTokenizerStep> make_byte_unspeller() {
  return std::make_unique<ByteUnspeller>();
}

}  // namespace kedge::text
