// Goal: scores and decisions are those of the peers' definitions, also at their edges.
// Method: small documents whose scores can be worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "curate/english/english_tokenizer.h"
#include "curate/filters/profiles.h"
#include "curate/filters/python_source.h"
#include "curate/filters/urls.h"
#include "curate/filters/visible_text.h"
#include "curate/ngrams.h"

namespace kedge::curate {
namespace {

Json apply(std::string_view profile, std::string text) {
  const auto op = make_profile(profile);
  data::Document document;
  document.id_json = "\"a\"";
  document.text = std::move(text);
  std::string line;
  op.value()->annotate(document, line);
  auto json = parse_json(line, "line");
  EXPECT_TRUE(json.ok()) << line;
  return json.value();
}

TEST(Nemo, scores_by_hand) {
  const Json scores = apply("nemo", "the cat sat on the mat.\nthe cat sat on the hat")["scores"];
  EXPECT_EQ(scores["word_count"], Json::parse("[12,false]"));
  EXPECT_DOUBLE_EQ(scores["mean_word_length"][0].get<double>(), 35.0 / 12);
  EXPECT_EQ(scores["punctuation"], Json::parse("[0.5,true]"));
  EXPECT_EQ(scores["common_english_words"], Json::parse("[4,true]"));
  // "the cat", twice: 14 of 46 characters.
  EXPECT_DOUBLE_EQ(scores["top_2gram"][0].get<double>(), 14.0 / 46);
  // "the cat sat on the" comes twice: 14 letters and 4 spaces.
  EXPECT_DOUBLE_EQ(scores["dup_5gram"][0].get<double>(), 18.0 / 46);
}

TEST(Nemo, empty_documents_are_decided) {
  for (const char* text : {"", " ", "\n\n\n"}) {
    const Json row = apply("nemo", text);
    EXPECT_EQ(row["keep"], false);
    EXPECT_TRUE(row["scores"]["mean_word_length"][0].is_null());
    EXPECT_EQ(row["scores"]["top_2gram"][0], 1.0);
  }
}

TEST(Dolma, duplicate_lines_count_every_copy) {
  const Json row = apply("dolma", "a b\na b\nc\n\n");
  EXPECT_DOUBLE_EQ(row["gopher_v1"]["fraction_of_duplicate_lines"].get<double>(), 4.0 / 5);
  EXPECT_DOUBLE_EQ(row["gopher_v2_lines"]["dup_lines"].get<double>(), 2.0 / 4);
  EXPECT_EQ(row["c4"]["lines"], 5);
}

TEST(NemoCode, counts_comments_and_docstrings) {
  // '# one' and the docstrings "Two.", "three": 5 + 8 + 1 + 5 characters (a last line of blanks stays).
  const std::u32string source =
      U"\"\"\"Two.\n\n  \"\"\"\n\ndef f(a: int, b={1: 2}):  # one\n    'three'\n    return b'x'\n";
  const auto prose = read_python(source);
  ASSERT_TRUE(prose);
  EXPECT_EQ(prose->comments, 5U);
  EXPECT_EQ(prose->docstrings, 14U);
  EXPECT_FALSE(read_python(U"x = (1,"));
  EXPECT_FALSE(read_python(U"'open"));
  EXPECT_FALSE(read_python(U"if x:\n    a\n  b\n"));
}

TEST(NemoCode, sources_that_python_refuses_have_no_comments) {
  // As ast.parse of Python 3.11 decides.
  for (const char32_t* source : {U"print 'x'  # one\n",
                                 U"exec code in names",
                                 U"<p># one</p>",
                                 U"\ufeffx = 1  # one",
                                 U"Some words of prose. # one",
                                 U"  x = 1",
                                 U"if x:\ny = 1",
                                 U"x = 1\n  y = 2",
                                 U"if x:",
                                 U"x = 0777",
                                 U"x = 10L",
                                 U"x = `y`",
                                 U"a <> b",
                                 U"x =",
                                 U"def",
                                 U"if x",
                                 U"from a import",
                                 U"if x:\n        a\n\tb",
                                 U"a\u00A0= 1",
                                 U"a.",
                                 U"match x y:\n  z"}) {
    EXPECT_FALSE(read_python(source)) << to_utf8(source);
  }
  for (const char32_t* source :
       {U"# one", U"x = 1.5 if y else 'a' \"b\"", U"match x:\n  case 'y':\n    z", U"from a import *", U"x = ...",
        U"def f(a, /, *, b): ...", U"@a\nasync def f() -> int:\n\n  # two\n  return await g(x for x in y if x)",
        U"*a, b = c", U"x: int", U"yield", U"a[1:2] = lambda x: x", U"print >>f, x", U"x = 01.5",
        U"if x: pass\nelse: y", U"try:\n  a\nexcept B as c:\n  raise D from c", U"x = not y is None",
        U"match = 1\nmatch (x)", U"a = \\\n  1"}) {
    EXPECT_TRUE(read_python(source)) << to_utf8(source);
  }
}

TEST(NemoCode, visible_text_is_outside_of_markup) {
  EXPECT_EQ(count_visible(U"a < b &amp; c"), 9U);
  EXPECT_EQ(count_visible(U"<p title='x>y'>ab</p><!-- c --><script>d</script>"), 2U);
}

TEST(NemoCode, references_count_as_in_beautiful_soup) {
  // len(BeautifulSoup(text, "html.parser").get_text()), version 4.15.
  const std::pair<const char32_t*, size_t> texts[] = {
      {U"a &ndash\nb", 5}, {U"P&EACUTE;REZ", 11}, {U"x &foo; y", 8},
      {U"x &amp y", 5},    {U"x &ampy z", 9},     {U"&notit; a", 8},
      {U"&notin; a", 3},   {U"&AMP; a", 3},       {U"a && b &cd", 10},
      {U"&bne; z", 4},     {U"&sup2x; y", 8},     {U"&a.b; c", 6},
      {U"&apos;s", 2},     {U"&Tab;x", 2},        {U"&nbsp;&Alpha;&b.alpha;", 10}};
  for (const auto& [text, size] : texts) EXPECT_EQ(count_visible(text), size) << to_utf8(text);
}

TEST(English, tokens_are_those_of_spacy) {
  const auto tokens = [](CodeView text) {
    std::vector<std::string> out;
    for (const CodeView token : EnglishTokenizer::instance().tokenize(text)) out.push_back(to_utf8(token));
    return out;
  };
  using testing::ElementsAre;
  EXPECT_THAT(tokens(U"Don't (stop)... at www.example.com/x, ok?"),
              ElementsAre("Do", "n't", "(", "stop", ")", "...", "at", "www.example.com/x", ",", "ok", "?"));
  EXPECT_THAT(tokens(U"a 10km walk, e.g. U.S. :-) foo:) 3-4 well-known"),
              ElementsAre("a", "10", "km", "walk", ",", "e.g.", "U.S.", ":-)", "foo", ":)", "3", "-", "4", "well", "-",
                          "known"));
  EXPECT_THAT(tokens(U"one  two\n"), ElementsAre("one", " ", "two", "\n"));
  EXPECT_EQ(EnglishTokenizer::count_sentences(EnglishTokenizer::instance().tokenize(U"One. Two! (Three)")), 3U);
}

/// `count` times the same.
std::u32string times(size_t count, CodeView text) {
  std::u32string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(HostileText, takes_linear_time_as_python) {
  EXPECT_EQ(read_python(times(400'000, U"#\n"))->comments, 400'000U);
  EXPECT_EQ(read_python(U"'''" + std::u32string(400'000, U'\n') + U"a'''")->docstrings, 1U);
  EXPECT_FALSE(read_python(times(200'000, U"def,")).has_value());
  const auto prose = read_python(times(200'000, U"def,") + U":'ab'");
  ASSERT_TRUE(prose.has_value());
  EXPECT_EQ(prose->docstrings, 200'000U * 3 - 1);  // each header ends at the same colon
  EXPECT_EQ(read_python(U"def a(b=(def) + {c: 'd'}): 'ef'; class g: 'h'\n")->docstrings, 4U);
}

TEST(HostileText, takes_linear_time_as_markup) {
  EXPECT_EQ(count_visible(times(300'000, U"<a")), 600'000U);
  EXPECT_EQ(count_visible(times(300'000, U"<a='")), 1'200'000U);
  EXPECT_EQ(count_visible(times(300'000, U"<!")), 600'000U);
  EXPECT_EQ(count_visible(times(300'000, U"<!--")), 1'200'000U);
  EXPECT_EQ(count_visible(times(300'000, U"<script></script>a")), 300'000U);
  // A value that is never closed hides the end of its tag, not that of the next one.
  EXPECT_EQ(count_visible(U"<a b=\"'<c d='x>'>e"), 8U);
  EXPECT_EQ(count_visible(U"<SCRIPT>\u0130\u0130</Script>a"), 1U);
}

TEST(HostileText, takes_linear_time_as_words) {
  const std::u32string letters(200'000, U'a'), marks(200'000, U'!');
  const auto tokens = EnglishTokenizer::instance().tokenize(letters + marks);
  ASSERT_EQ(tokens.size(), 200'001U);
  EXPECT_EQ(tokens[0].size(), 200'000U);
  EXPECT_EQ(EnglishTokenizer::instance().tokenize(marks + letters + marks).size(), 400'001U);
  // The most frequent run nearly stands at each character of the last word.
  const std::u32string run = std::u32string(60'000, U'a') + U" b";
  const Json scores = curate::apply("nemo", to_utf8(run + U" " + run + U" " + std::u32string(400'000, U'a')))["scores"];
  EXPECT_DOUBLE_EQ(scores["top_2gram"][0].get<double>(), 120'004.0 / 520'006);
  EXPECT_EQ(count_of(times(1000, U"ab") + U"b" + times(1000, U"ab"), times(40, U"ab")), 50U);
}

TEST(Urls, end_where_the_pattern_ends) {
  EXPECT_THAT(find_urls(U"see https://a.b/c?d=%20e<x> http:// and httphttp://q"),
              testing::ElementsAre(U"https://a.b/c?d=%20e", U"http://q"));
}

TEST(Ngrams, numbers_are_exact_and_in_order) {
  StringNumbers numbers;
  const std::vector<CodeView> words = {U"a", U"b", U"a", U"b", U"c"};
  NgramWalk walk(numbers.number(words));
  walk.lengthen();
  EXPECT_THAT(walk.grams(), testing::ElementsAre(0, 1, 0, 2));
  const MostFrequent best = most_frequent(walk.grams(), walk.distinct());
  EXPECT_EQ(best.index, 0U);
  EXPECT_EQ(best.count, 2U);
}

TEST(CodeText, splits_and_strips_as_python) {
  EXPECT_THAT(split_lines(U"a\r\nb\u2028c\n"), testing::ElementsAre(U"a", U"b", U"c"));
  EXPECT_THAT(split_at(U"\n\n\n", U"\n\n"), testing::ElementsAre(U"", U"\n"));
  EXPECT_THAT(split_words(U" a\u00A0b\u3000"), testing::ElementsAre(U"a", U"b"));
  EXPECT_EQ(to_lower(U"\u03A3\u03A3 \u0130K"), U"\u03C3\u03C2 i\u0307k");
}

}  // namespace
}  // namespace kedge::curate
