// Goal: texts that were decoded wrongly come back, and right ones stay.
// Method: damage done by hand, and sentences of several languages.
#include "curate/clean/mojibake.h"

#include <gtest/gtest.h>

#include "curate/clean/encodings.h"
#include "curate/entities.h"

namespace kedge::curate {
namespace {

TEST(Mojibake, wrong_decodings_are_undone) {
  EXPECT_EQ(repair_mojibake(U"cole\u00C3\u00A7\u00C3\u00A3o"), U"cole\u00E7\u00E3o");
  EXPECT_EQ(repair_mojibake(U"l\u2019\u00C3\u00A9t\u00C3\u00A9"), U"l\u2019\u00E9t\u00E9");
  // Twice: UTF-8 read as Windows-1252, and again.
  EXPECT_EQ(repair_mojibake(U"\u00C3\u0192\u00C2\u00A9t\u00C3\u0192\u00C2\u00A9"), U"\u00E9t\u00E9");
  EXPECT_EQ(repair_mojibake(U"It\u00E2\u20AC\u2122s"), U"It\u2019s");
}

TEST(Entities, numbers_have_any_number_of_digits) {
  EXPECT_EQ(read_reference(U"&#000000065;b", true)->text, U"A");
  EXPECT_EQ(read_reference(U"&#000000065;b", true)->length, 12U);
  EXPECT_EQ(read_reference(U"&#x99999999999999999999", false)->text, U"\uFFFD");
  EXPECT_EQ(*find_entity(U"eacute;"), U"\u00E9");
  EXPECT_EQ(find_entity(U"\u00E9acute;"), nullptr);
}

TEST(Mojibake, character_references_are_resolved_until_a_tag) {
  EXPECT_EQ(repair_mojibake(U"Fish &amp; chips &#233; &EACUTE;"), U"Fish & chips \u00E9 \u00C9");
  EXPECT_EQ(repair_mojibake(U"<b>&amp;</b>\n&amp;"), U"<b>&amp;</b>\n&amp;");
}

std::u32string times(size_t count, CodeView text) {
  std::u32string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Mojibake, long_runs_are_undone_within_text_that_is_right) {
  for (const size_t count : {3U, 1400U, 200'000U}) {
    EXPECT_TRUE(repair_mojibake(U"\u65E5\u672C " + times(count, U"\u00C3\u00A9")) ==
                U"\u65E5\u672C " + times(count, U"\u00E9"))
        << count;
  }
}

TEST(Mojibake, marks_of_references_that_are_none_take_linear_time) {
  const std::u32string marks(900'000, U'&');
  EXPECT_TRUE(repair_mojibake(marks) == marks);
  EXPECT_TRUE(repair_mojibake(marks + U";") == marks + U";");
}

TEST(Mojibake, right_text_stays) {
  for (const char32_t* text : {U"caf\u00E9 \u2013 \u201Cna\u00EFve\u201D", U"\u65E5\u672C\u8A9E\r\n\uFF21\uFB01",
                               U"\u041F\u0440\u0438\u0432\u0435\u0442", U"e\u0301 A & B", U""}) {
    EXPECT_EQ(repair_mojibake(text), text);
  }
}

TEST(Mojibake, what_needs_no_repair_gets_none) {
  for (const std::string text : {"", "plain\ttext\n\nof lines", "caf\u00E9 \u201Cna\u00EFve\u201D\nlast",
                                 "\u65E5\u672C\r\n", "<b> comes first\n&amp; then"}) {
    EXPECT_TRUE(needs_no_repair(text)) << text;
    EXPECT_EQ(to_utf8(repair_mojibake(to_codes(text))), text);
  }
  for (const std::string text :
       {"Fish &amp; chips", "a\x1B[31m", "a\x7F", "ok\nl\u2019\u00C3\u00A9t\u00C3\u00A9", "\uFEFFa"}) {
    EXPECT_FALSE(needs_no_repair(text)) << text;
  }
}

TEST(Mojibake, control_characters_go) {
  EXPECT_EQ(repair_mojibake(U"a\u0000b\u001B[31mc\uFEFFd\te"), U"a");  // a literal ends at its first zero
  EXPECT_EQ(repair_mojibake(CodeView(U"a\u0000b\u001B[31mc\uFEFFd\te", 13)), U"abcd\te");
}

TEST(Encodings, utf8_and_its_variants) {
  EXPECT_EQ(decode_utf8("a\xC3\xA9"), U"a\u00E9");
  EXPECT_EQ(decode_utf8("\xED\xA0\xBD\xED\xB8\x80"), U"\U0001F600");
  EXPECT_EQ(decode_utf8("\xC3("), std::nullopt);
  EXPECT_EQ(byte_encodings()[1].encode(U"\u20AC\u2019"), "\x80\x92");
}

}  // namespace
}  // namespace kedge::curate
