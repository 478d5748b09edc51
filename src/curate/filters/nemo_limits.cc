#include "curate/filters/nemo_limits.h"

namespace kedge::curate {
namespace {

constexpr double kNone = 1e300;
constexpr std::string_view kTop = "RepeatingTopNGramsFilter", kTopMost = "max_repeating_ngram_ratio";
constexpr std::string_view kDuplicate = "RepeatingDuplicateNGramsFilter";
constexpr std::string_view kDuplicateMost = "max_repeating_duplicate_ngram_ratio";

// The four filters of repeated parts call their lower limit "max": a share of parts that are not repeated.
constexpr NemoLimit kLimits[] = {
    {"non_alpha_numeric", "NonAlphaNumericFilter", 0, "", "max_non_alpha_numeric_to_text_ratio", -kNone, 0.25, 0, 1},
    {"symbols_to_words", "SymbolsToWordsFilter", 0, "", "max_symbol_to_word_ratio", -kNone, 0.1, 0, 0.5},
    {"numbers", "NumbersFilter", 0, "", "max_number_to_text_ratio", -kNone, 0.15, 0, 0.5},
    {"urls", "UrlsFilter", 0, "", "max_url_to_text_ratio", -kNone, 0.2, 0, 0.5},
    {"bullets", "BulletsFilter", 0, "", "max_bullet_lines_ratio", -kNone, 0.9, 0, 1},
    {"white_space", "WhiteSpaceFilter", 0, "", "max_white_space_ratio", -kNone, 0.25, 0, 0.6},
    {"parentheses", "ParenthesesFilter", 0, "", "max_parentheses_ratio", -kNone, 0.1, 0, 0.3},
    {"long_word", "LongWordFilter", 0, "", "max_word_length", -kNone, 1000, 0, 200},
    {"word_count", "WordCountFilter", 0, "min_words", "max_words", 50, 100000, 0, 2000},
    {"boilerplate", "BoilerPlateStringFilter", 0, "", "max_boilerplate_string_ratio", -kNone, 0.4, 0, 1},
    {"mean_word_length", "MeanWordLengthFilter", 0, "min_mean_word_length", "max_mean_word_length", 3, 10, 0, 20},
    {"punctuation", "PunctuationFilter", 0, "", "max_num_sentences_without_endmark_ratio", -kNone, 0.85, 0, 1},
    {"ellipsis", "EllipsisFilter", 0, "", "max_num_lines_ending_with_ellipsis_ratio", -kNone, 0.3, 0, 1},
    {"common_english_words", "CommonEnglishWordsFilter", 0, "min_num_common_words", "", 2, kNone, 0, 100},
    {"words_without_alphabets", "WordsWithoutAlphabetsFilter", 0, "min_words_with_alphabets", "", 0.8, kNone, 0, 1},
    {"pornographic_urls", "PornographicUrlsFilter", 0, "", "", -kNone, 0, 0, 1},
    {"repeated_lines", "RepeatedLinesFilter", 0, "max_repeated_line_fraction", "", 0.7, kNone, 0, 1},
    {"repeated_paragraphs", "RepeatedParagraphsFilter", 0, "max_repeated_paragraphs_ratio", "", 0.7, kNone, 0, 1},
    {"repeated_lines_char", "RepeatedLinesByCharFilter", 0, "max_repeated_lines_char_ratio", "", 0.8, kNone, 0, 1},
    {"repeated_paragraphs_char", "RepeatedParagraphsByCharFilter", 0, "max_repeated_paragraphs_char_ratio", "", 0.8,
     kNone, 0, 1},
    {"top_2gram", kTop, 2, "", kTopMost, -kNone, 0.2, 0, 0.5},
    {"top_3gram", kTop, 3, "", kTopMost, -kNone, 0.18, 0, 0.5},
    {"top_4gram", kTop, 4, "", kTopMost, -kNone, 0.16, 0, 0.5},
    {"dup_5gram", kDuplicate, 5, "", kDuplicateMost, -kNone, 0.15, 0, 0.5},
    {"dup_6gram", kDuplicate, 6, "", kDuplicateMost, -kNone, 0.14, 0, 0.5},
    {"dup_7gram", kDuplicate, 7, "", kDuplicateMost, -kNone, 0.13, 0, 0.5},
    {"dup_8gram", kDuplicate, 8, "", kDuplicateMost, -kNone, 0.12, 0, 0.5},
    {"dup_9gram", kDuplicate, 9, "", kDuplicateMost, -kNone, 0.11, 0, 0.5},
    {"dup_10gram", kDuplicate, 10, "", kDuplicateMost, -kNone, 0.10, 0, 0.5},
};

}  // namespace

std::span<const NemoLimit> nemo_limits() {
  return kLimits;
}

const NemoLimit* find_nemo_limit(std::string_view name) {
  for (const NemoLimit& limit : kLimits) {
    if (limit.name == name) return &limit;
  }
  return nullptr;
}

}  // namespace kedge::curate
