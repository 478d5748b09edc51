// Goal: texts, parts of files, dumps of encyclopedias and tars of papers give the documents in them, and what is none
// is named.
// Method: small files written by the test; expected texts of markup as mwparserfromhell 0.7.2's strip_code gives them
// after what NeMo Curator removes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "data/markup/entities.h"
#include "data/markup/tex.h"
#include "data/markup/wikitext.h"
#include "data/reader.h"
#include "data/test_support.h"

namespace kedge::data {
namespace {

using testing::ElementsAre;

using Formats = FilesTest;

/// A member of a tar, with its header.
std::string member(const std::string& name, const std::string& bytes) {
  std::string block(512, '\0');
  std::array<char, 16> digits{};
  const auto put = [&](size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  put(0, name);
  std::snprintf(digits.data(), digits.size(), "%011zo", bytes.size());
  put(124, digits.data());
  put(148, "        ");
  put(156, "0");
  put(257, "ustar");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(digits.data(), digits.size(), "%06o", sum);
  put(148, digits.data());
  block[154] = '\0';
  std::string padded = bytes;
  padded.resize((bytes.size() + 511) / 512 * 512);
  return block + padded;
}

const std::string kTwo = "{\"id\":\"a\",\"text\":\"x\"}\n{\"text\":\"y\",\"id\":7}\n";

TEST_F(Formats, bzip2_is_read_in_several_streams_and_named_when_it_breaks_off) {
  EXPECT_THAT(read({write("bz2", bzip2(kTwo.substr(0, 22)) + bzip2(kTwo.substr(22)))}), ElementsAre("\"a\"=x", "7=y"));
  EXPECT_THAT(read({write("half.bz2", bzip2(kTwo).substr(0, 50))}), ElementsAre("half.bz2"));
}

TEST_F(Formats, texts_are_one_document_each_unless_they_hold_lines_of_json) {
  const auto found = read({write("a.md", "# A\n\ntext"), write("b.txt", "\xEF\xBB\xBF\xC3\xA9"), write("c.txt", kTwo),
                           write("d.txt", "latin \xE9"), write("e.md.gz", gzip("packed"))});
  EXPECT_THAT(found, ElementsAre("\"a.md\"=# A\n\ntext", "\"b.txt\"=\xC3\xA9", "\"a\"=x", "7=y", "d.txt",
                                 "\"e.md.gz\"=packed"));
}

TEST_F(Formats, parts_of_a_file_give_each_line_once) {
  std::string lines = "\xEF\xBB\xBF";
  std::vector<std::string> expected;
  for (int i = 0; i < 30; ++i) {
    const std::string text(static_cast<size_t>(i * 7 % 23), 'x');
    lines += "{\"id\":" + std::to_string(i) + ",\"text\":\"" + text + "\"}\n";
    expected.push_back(std::to_string(i) + "=" + text);
  }
  lines.pop_back();  // the last line ends with the file
  const auto path = write("lines", lines);
  for (uint64_t bytes = 1; bytes < lines.size() + 10; bytes += bytes < 70 ? 3 : 37) {
    std::vector<Input> inputs;
    for (const auto& group : group_inputs({path}, bytes)) inputs.push_back(group.front());
    EXPECT_EQ(inputs.size(), std::max<size_t>(1, (lines.size() + bytes - 1) / bytes));
    ASSERT_EQ(read(inputs), expected) << bytes;
  }
  EXPECT_EQ(group_inputs({write("packed.gz", gzip(lines))}, 10).size(), 1U);
  EXPECT_EQ(group_inputs({write("x.md", "a"), write("y.md", "b"), path, write("z.md", "c")}, 0).size(), 3U);
}

TEST_F(Formats, dumps_of_encyclopedias_give_their_articles) {
  const std::string dump = R"(<mediawiki xml:lang="de">
<siteinfo><base>https://de.wikipedia.org/wiki/Wikipedia:Hauptseite</base>
<namespaces><namespace key="6" case="first-letter">Datei</namespace>
<namespace key="14" case="first-letter">Kategorie</namespace></namespaces></siteinfo>
<page><title>Das Sch&amp;ff</title><ns>0</ns><id>12</id><revision><id>99</id><text bytes="9" xml:space="preserve">Ein
'''Schiff''' [[Datei:a.jpg|mini|[[B]]]]f&amp;ndash;hrt&lt;ref>x&lt;/ref>.
[[Kategorie:See]]</text></revision></page>
<page><title>Alt</title><ns>0</ns><id>13</id><redirect title="x" /><revision><text>y</text></revision></page>
<page><title>Hilfe:X</title><ns>12</ns><id>14</id><revision><text>y</text></revision></page>
<page><title>Leer</title><ns>0</ns><id>15</id><revision><text bytes="0" /></revision></page>
</mediawiki>
)";
  const auto path = write("dump.xml.bz2", bzip2(dump));
  EXPECT_THAT(read({path}), ElementsAre("\"12\"=Ein\nSchiff f\xE2\x80\x93hrt.\nSee", "dump.xml.bz2: page 2",
                                        "dump.xml.bz2: page 3", "\"15\"="));
  auto reader = Reader::open({path}, {});
  Batch batch;
  ASSERT_TRUE(reader.value()->read(batch).value());
  EXPECT_EQ(reader.value()->parse(batch.records[0]).value().url, "https://de.wikipedia.org/wiki/Das_Sch%26ff");
  EXPECT_EQ(reader.value()->parse(batch.records[0]).value().title, "Das Sch&ff");
  EXPECT_EQ(reader.value()->parse(batch.records[1]).error().message, "a redirect");
  EXPECT_THAT(read({write("torn.xml", dump.substr(0, dump.size() - 200))}),
              ElementsAre(testing::_, testing::_, "torn.xml"));
  EXPECT_EQ(read({write("blank.xml", dump + std::string(40, '\n'))}).size(), 4U);
}

TEST_F(Formats, tars_of_papers_give_cleaned_sources) {
  const std::string tex = R"(\documentclass{article}
\newcommand{\kb}{k_B}
\def\x {X}
\begin{document}
Before
\section{One}
% a comment
Heat \kb T, 5\% of \x. % rest
\kbx \cite{a}
\bibliography{refs}
After
)";
  const std::string expected = "\\section{One}\nHeat k_B T, 5\\% of X.\n\\kbx \\cite{a}\n";
  const std::string project = member("main.tex", "no section") + member("body.tex", tex) + std::string(1024, '\0');
  const std::string tar = member("2001/hep-th0001001.gz", gzip(tex)) + member("2001/2001.00002.gz", gzip(project)) +
                          member("2001/2001.00003.pdf", "%PDF-1.4") + member("notes.md", "note") +
                          std::string(1024, '\0');
  EXPECT_THAT(read({write("a.tar", tar)}), ElementsAre("\"hep-th/0001001\"=" + expected, "\"2001.00002\"=" + expected,
                                                       "a.tar: member 3", "\"notes.md\"=note"));
  EXPECT_EQ(read({write("b.tar.gz", gzip(tar))}).size(), 4U);
  EXPECT_THAT(read({write("torn.tar", tar.substr(0, 700))}), ElementsAre("torn.tar"));
}

TEST_F(Formats, tars_that_break_off_within_their_compression_are_named) {
  const std::string two = member("a.md", "one") + member("b.md", "two");
  std::string packed = gzip(two + std::string(1024, '\0'));
  EXPECT_THAT(read({write("whole.tar.gz", packed)}), ElementsAre("\"a.md\"=one", "\"b.md\"=two"));
  EXPECT_THAT(read({write("bare.tar.gz", gzip(two))}), ElementsAre("\"a.md\"=one", "\"b.md\"=two"));
  EXPECT_THAT(read({write("cut.tar.gz", packed.substr(0, packed.size() - 6))}),
              ElementsAre("\"a.md\"=one", "\"b.md\"=two", "cut.tar.gz"));
  packed[packed.size() - 6] ^= 1;
  EXPECT_THAT(read({write("sum.tar.gz", packed)}), ElementsAre("\"a.md\"=one", "\"b.md\"=two", "sum.tar.gz"));
  std::string bare = gzip(two);
  bare[bare.size() - 6] ^= 1;
  EXPECT_THAT(read({write("border.tar.gz", bare)}), ElementsAre("\"a.md\"=one", "\"b.md\"=two", "border.tar.gz"));
}

TEST_F(Formats, papers_are_named_as_arxiv_names_them_and_other_sources_by_their_path) {
  const std::string tex = "\\section{A} b";
  const auto path =
      write("names.tar", member("a/x1.tex", tex) + member("b/x1.tex", tex) + member("2312/2312.01234v2.gz", gzip(tex)) +
                             member("math.GT0309136.gz", gzip(tex)) + member("2023.tex", tex));
  auto reader = Reader::open({path}, {});
  Batch batch;
  ASSERT_TRUE(reader.value()->read(batch).value());
  std::vector<std::string> found;
  for (const Record& record : batch.records) {
    const Document document = parse_tex_source(record).value();
    found.push_back(document.id_json + " " + document.url);
  }
  EXPECT_THAT(found,
              ElementsAre("\"a/x1.tex\" ", "\"b/x1.tex\" ", "\"2312.01234v2\" https://arxiv.org/abs/2312.01234v2",
                          "\"math.GT/0309136\" https://arxiv.org/abs/math.GT/0309136", "\"2023.tex\" "));
}

TEST_F(Formats, a_batch_holds_so_many_sources_as_may_be_unpacked_at_once) {
  const std::string source = gzip(std::string(9'000'000, ' '));
  const auto path = write("bombs.tar", member("a.gz", source) + member("b.gz", source) + member("c.gz", source));
  auto reader = Reader::open({path}, {});
  Batch batch;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(reader.value()->read(batch).value());
    EXPECT_EQ(batch.records.size(), 1U);
  }
}

TEST(Wikitext, becomes_the_text_that_strip_code_gives) {
  const auto plain = [](const std::string& wikitext) { return plain_text(wikitext, {}); };
  EXPECT_EQ(plain("A {{tl|x|{{y}}}}b"), "A b");
  EXPECT_EQ(plain("[[A]] [[B|''b'']] [[File:x.jpg|thumb|see [[C]]]]d [http://x.y text] [http://x.y] http://z"),
            "A b d text  http://z");
  EXPECT_EQ(plain("x\n{| class=a\n|-\n| cell {{t}}\n|}\ny"), "x\n\ny");
  EXPECT_EQ(plain("Lead.\n\n== History ==\nText<ref name=\"a\"/>.<ref>no</ref>\n=== Early ===\n* one\n** two"),
            "Lead.\n\nHistory\nText.\n\nEarly\n one\n two");
  EXPECT_EQ(plain("a<!-- {{ -->b<br/>c<small>d</small><gallery>\nx.jpg\n</gallery> 1 < 2 &ndash; 3"),
            "abcd 1 < 2 \xE2\x80\x93 3");
  EXPECT_EQ(plain("{{{1|d}}} [[:Category:B]] <nowiki>[[z]]</nowiki>"), "d :Category:B [[z]]");
  EXPECT_EQ(plain("open {{ and [[ stay"), "open {{ and [[ stay");
  EXPECT_EQ(plain(std::string(200000, '{')), std::string(200000, '{'));
}

/// `count` times the same.
std::string times(size_t count, std::string_view text) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Wikitext, character_references_are_those_of_html) {
  const auto plain = [](const std::string& wikitext) { return plain_text(wikitext, {}); };
  EXPECT_EQ(plain("caf&eacute; &alpha; &CounterClockwiseContourIntegral; &nGt;"),
            "caf\xC3\xA9 \xCE\xB1 \xE2\x88\xB3 \xE2\x89\xAB\xE2\x83\x92");
  EXPECT_EQ(plain("&#000000065; &#x41; A & [[b]]; &none; &#xD800; &;"), "A A A & b; &none; &#xD800; &;");
  EXPECT_EQ(decode_entities("&amp;eacute; &notit; & &"), "&eacute; &notit; & &");
}

TEST(Wikitext, what_is_looked_for_far_ahead_is_looked_for_once) {
  const auto plain = [](const std::string& wikitext) { return plain_text(wikitext, {}); };
  constexpr size_t kCount = 300'000;
  EXPECT_TRUE(plain(times(kCount, "[[a]]")) == std::string(kCount, 'a'));
  EXPECT_TRUE(plain(times(kCount, "{{{a}}}")).empty());
  EXPECT_TRUE(plain(times(kCount, "[//")) == times(kCount, "[//"));
  EXPECT_TRUE(plain("[[a|" + times(kCount, "b<ref>") + "]]" + std::string(1'000'000, 'c') + "</ref>") ==
              std::string(kCount, 'b') + std::string(1'000'000, 'c'));
  EXPECT_EQ(plain("[//a b] [//c\nd] [[x|[//e f] y]]<ref>1</ref>g<ref>2</ref>"), "b [//c\nd] f yg");
}

TEST(Tex, brackets_that_are_never_closed_are_looked_for_once) {
  const std::string open = times(300'000, "\\section[");
  EXPECT_EQ(clean_tex({open}), "");
  EXPECT_EQ(clean_tex({open + "]x\\section[]{a} b"}), "\\section[]{a} b");
}

}  // namespace
}  // namespace kedge::data
