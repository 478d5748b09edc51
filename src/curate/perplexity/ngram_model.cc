#include "curate/perplexity/ngram_model.h"

#include <algorithm>
#include <cmath>

#include "core/file.h"
#include "curate/normal_forms.h"
#include "curate/perplexity/arpa_model.h"
#include "curate/perplexity/kenlm_model.h"

namespace kedge::curate {
namespace {

/// What CCNet puts in place of punctuation beyond ASCII; null for other characters.
const char32_t* ascii_of(char32_t c) {
  switch (c) {
    case 0xFF0C:
    case 0x3001:
      return U",";
    case 0x3002:
      return U".";
    case 0x201E:
    case 0x201D:
    case 0x201C:
    case 0xAB:
    case 0xBB:
    case 0xFF11:
    case 0x300D:
    case 0x300C:
    case 0x300A:
    case 0x300B:
      return U"\"";
    case 0xB4:
    case 0x2019:
      return U"'";
    case 0x2236:
    case 0xFF1A:
      return U":";
    case 0xFF1F:
      return U"?";
    case 0xFF01:
      return U"!";
    case 0xFF08:
      return U"(";
    case 0xFF09:
      return U")";
    case 0xFF1B:
      return U";";
    case 0x2013:
    case 0x2501:
    case 0x25BA:
      return U"-";
    case 0x2014:
      return U" - ";
    case 0xFF0E:
      return U". ";
    case 0xFF5E:
      return U"~";
    case 0x2026:
      return U"...";
    case 0x3008:
      return U"<";
    case 0x3009:
      return U">";
    case 0x3010:
      return U"[";
    case 0x3011:
      return U"]";
    case 0xFF05:
      return U"%";
    default:
      return nullptr;
  }
}

/// A binary and the file that it lies in.
class MappedModel final : public NgramModel {
 public:
  MappedModel(std::shared_ptr<const MappedFile> file, std::unique_ptr<NgramModel> model)
      : file_(std::move(file)), model_(std::move(model)) {}
  using NgramModel::score;
  [[nodiscard]] Score score(std::span<const std::string_view> words) const override { return model_->score(words); }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::unique_ptr<NgramModel> model_;
};

}  // namespace

Result<std::unique_ptr<NgramModel>> NgramModel::open(const std::filesystem::path& path) {
  KEDGE_ASSIGN(auto file, MappedFile::open(path));
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  KEDGE_ASSIGN(auto model, parse(bytes, path.string()));
  if (!is_kenlm_binary(bytes)) return model;
  return std::unique_ptr<NgramModel>(std::make_unique<MappedModel>(std::move(file), std::move(model)));
}

Result<std::unique_ptr<NgramModel>> NgramModel::parse(std::string_view bytes, const std::string& name) {
  return is_kenlm_binary(bytes) ? parse_kenlm_binary(bytes, name) : ArpaModel::parse(bytes, name);
}

NgramModel::Score NgramModel::score(std::string_view sentence) const {
  std::vector<std::string_view> words;
  split_ascii(sentence, words);
  return score(words);
}

void split_ascii(std::string_view text, std::vector<std::string_view>& words) {
  words.clear();
  while (true) {
    const size_t begin = text.find_first_not_of(kAsciiSpaces);
    if (begin == std::string_view::npos) return;
    const size_t end = std::min(text.find_first_of(kAsciiSpaces, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

std::u32string normalize_as_ccnet(CodeView line) {
  std::u32string out;
  for (const char32_t c : to_nfd(to_lower(strip(line)))) {
    if (is(c, kNonspacing) || c < 32 || (c >= 127 && c < 160)) continue;
    if (is(c, kDigit)) {
      out += U'0';
    } else if (const char32_t* ascii = ascii_of(c)) {
      out += ascii;
    } else {
      out += c;
    }
  }
  return out;
}

double perplexity_of(const NgramModel& model, std::string_view text, bool normalize) {
  NgramModel::Score sum;
  while (true) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const NgramModel::Score score = model.score(normalize ? to_utf8(normalize_as_ccnet(to_codes(line))) : line);
    sum.log10 += score.log10;
    sum.tokens += score.tokens;
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
  }
  return std::pow(10.0, -sum.log10 / static_cast<double>(sum.tokens));
}

Result<double> perplexity_of_pieces(const NgramModel& model, const Tokenizer& tokenizer, std::string_view text,
                                    bool normalize) {
  const std::string plain = normalize ? to_utf8(normalize_as_ccnet(to_codes(text))) : std::string(text);
  KEDGE_ASSIGN(const std::vector<TokenId> ids, tokenizer.encode(plain, {.parse_special = false}));
  std::vector<std::string_view> pieces;
  for (const TokenId id : ids) pieces.push_back(tokenizer.token_text(id));
  const NgramModel::Score score = model.score(pieces);
  return std::pow(10.0, -score.log10 / static_cast<double>(score.tokens));
}

Result<double> juicer_perplexity(const NgramModel& model, const Tokenizer& tokenizer, std::string_view text) {
  KEDGE_ASSIGN(const std::vector<TokenId> ids, tokenizer.encode(text, {.parse_special = false}));
  std::u32string joined;
  for (const TokenId id : ids) {
    if (!joined.empty()) joined += U' ';
    joined += to_codes(tokenizer.token_text(id));
  }
  NgramModel::Score sum;
  for (const CodeView line : split_lines(joined)) {
    const NgramModel::Score score = model.score(to_utf8(line));
    sum.log10 += score.log10;
    sum.tokens += score.tokens;
  }
  if (sum.tokens == 0) return 0.0;
  const double perplexity = std::pow(10.0, -sum.log10 / static_cast<double>(sum.tokens));
  return std::nearbyint(perplexity * 10) / 10;
}

}  // namespace kedge::curate
