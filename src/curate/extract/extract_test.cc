// Goal: the text of pages without what surrounds it, whatever the markup and the character set.
// Method: small pages, one habit of the web each.
#include "curate/extract/extract.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "curate/extract/http_page.h"
#include "curate/extract/justext.h"
#include "curate/extract/main_text.h"

namespace kedge::curate {
namespace {

const std::string kStory =
    "A long enough story about the sea and the wind, told in the evening by those who have been there.";

std::string precise(const std::string& html) {
  return extract_main_text(html, ExtractionMode::precision);
}

TEST(MainText, leaves_out_what_surrounds_it) {
  EXPECT_EQ(
      precise("<nav><a href=/>Home</a></nav><div class=sidebar>Links</div><div class='post content'><h1>T</h1><p>" +
              kStory + "</p><div class=share>Share</div></div><footer>(c) 2026</footer><script>x()</script>"),
      "T\n" + kStory);
}

TEST(MainText, a_menu_that_is_never_closed_does_not_swallow_the_page) {
  EXPECT_EQ(precise("<DIV id=menu><UL><li><a href=1>One</a><li><a href=2>Two</a><li><a href=3>Three</a></UL><DIV "
                    "id=main><H1>T</H1><P>" +
                    kStory + "<HR><DIV id=foot>&copy; 2026"),
            "T\n" + kStory);
}

TEST(MainText, keeps_preformatted_lines_and_cells) {
  EXPECT_EQ(precise("<pre>a\n  b</pre><table><tr><td>1<td>2</table>"), "a\n  b\n1\t2");
}

TEST(MainText, as_markdown_keeps_code_and_tables) {
  const auto markdown = [](const std::string& html) {
    return extract_main_text(html, ExtractionMode::precision, true);
  };
  EXPECT_EQ(markdown("<p>Before</p><pre><code class='hljs language-c'>int  x;\n  a | b;</code></pre><p>After</p>"),
            "Before\n\n```c\nint  x;\n  a | b;\n```\n\nAfter");
  EXPECT_EQ(markdown("<pre>a ``` b</pre>"), "````\na ``` b\n````");
  EXPECT_EQ(markdown("<table><thead><tr><th>Port<th>Depth</thead><tr><td>A|B<td>3 <b>m</b></tr><tr><td>C</table>"),
            "| Port | Depth |\n| --- | --- |\n| A\\|B | 3 m |\n| C |  |");
  // A page that is laid out by a table, and one row alone, are no tables.
  EXPECT_EQ(markdown("<table><tr><td><p>" + kStory + "</p><td>x<tr><td>y<td>z</table>"), kStory + "\nx\ny\tz");
  EXPECT_EQ(markdown("<table><tr><td>1<td>2</table>"), "1\t2");
  EXPECT_EQ(markdown("<p>x</p><pre> </pre>"), "x");
}

TEST(MainText, never_gives_nothing_for_something) {
  EXPECT_EQ(precise("<nav>only this</nav>"), "only this");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<div>";
  EXPECT_THAT(precise(deep + "deep"), testing::HasSubstr("deep"));
}

std::string repeated(std::string_view part, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(MainText, many_elements_without_end_tags_are_no_nesting) {
  EXPECT_EQ(precise("<p>" + kStory + "</p>" + repeated("<br>", 50'000) + "end"), kStory + "\nend");
}

TEST(MainText, pages_that_would_take_memory_or_time_without_bound_are_text_without_tags) {
  std::string attributes = "<a", formatting = "<div>";
  for (size_t i = 0; i < 40'000; ++i) attributes += " a" + std::to_string(i) + "=1";
  for (size_t i = 0; i < 4'000; ++i) formatting += "<b id=" + std::to_string(i) + ">";
  for (const std::string& page : {repeated("<div>", 100'000), repeated("<svg><g>", 50'000) + repeated("</q>", 50'000),
                                  attributes + ">", formatting + "</div>" + repeated("<p>", 20'000)}) {
    EXPECT_EQ(precise(page + kStory), kStory) << page.substr(0, 20);
  }
}

TEST(MainText, what_a_template_holds_is_not_shown) {
  EXPECT_EQ(precise("<template><p>hidden</p></template><p>" + kStory + "</p>"), kStory);
}

TEST(Justext, short_paragraphs_are_judged_in_one_pass) {
  const auto english = StopWords::of("en").value();
  EXPECT_EQ(extract_justext(repeated("<p>a</p>", 300'000) + repeated("<h1><br></h1>", 300'000), english.get()), "");
}

TEST(Justext, good_paragraphs_take_their_headings_along) {
  const std::string good =
      "It is the kind of paragraph that has many of the words which are in every text, and it is long enough to be "
      "taken for the content of a page by all of the rules that there are in this method, so it is good.";
  const auto english = StopWords::of("en").value();
  EXPECT_EQ(extract_justext("<p><a href=1>menu</a></p><h1>Title</h1><p>" + good + "</p><p>Short.</p>", english.get()),
            "Title\n" + good);
  EXPECT_FALSE(StopWords::of("xx").ok());
}

TEST(HttpPage, character_sets_come_from_header_meta_mark_or_detection) {
  const auto page = [](const std::string& type, const std::string& body) {
    return read_http_page("HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\n\r\n" + body).value();
  };
  EXPECT_EQ(page("text/html; charset=iso-8859-1", "\xE9"), "\xC3\xA9");
  EXPECT_EQ(page("text/html", "<meta charset=shift_jis>\x83\x65"), "<meta charset=shift_jis>\xE3\x83\x86");
  EXPECT_EQ(page("text/html; charset=nonsense", "\xEF\xBB\xBFx"), "x");
  EXPECT_EQ(page("text/html", "\xC3\xA9"), "\xC3\xA9");
}

TEST(HttpPage, refuses_what_is_no_page) {
  EXPECT_EQ(read_http_page("HTTP/1.1 404 Not Found\r\n\r\nx").error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(read_http_page("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nx").error().kind,
            ErrorKind::invalid_input);
  EXPECT_EQ(read_http_page("GET / HTTP/1.1").error().kind, ErrorKind::corrupt_data);
  EXPECT_EQ(read_http_page("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").value(),
            "abc");
}

TEST(Justext, other_languages_have_stop_lists_or_need_none) {
  std::string good;
  for (int i = 0; i < 4; ++i) good += "Das ist ein Text, der in der Sprache des Landes steht und nicht auf Englisch. ";
  good.pop_back();
  const std::string page = "<p><a href=1>Speisekarte</a></p><p>" + good + "</p>";
  EXPECT_EQ(extract_justext(page, StopWords::of("de").value().get()), good);
  EXPECT_EQ(extract_justext(page, StopWords::of("en").value().get()), "");
  EXPECT_EQ(extract_justext(page, nullptr), "Speisekarte\n" + good);
  EXPECT_TRUE(is_without_spaces("ja"));
  const auto unknown = StopWords::of("xx");
  EXPECT_NE(unknown.error().message.find("expected one of the stop lists: en, de, es, fr, "), std::string::npos);
  const auto file = std::filesystem::temp_directory_path() / fmt::format("kedge_stop_{}.txt", ::getpid());
  std::ofstream(file) << "# of mine\nDAS\r\nein\nder\nin\ndes\nund\n";
  const auto read = StopWords::read(file);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_TRUE(read.value()->contains("das"));
  EXPECT_EQ(extract_justext(page, read.value().get()), good);
  std::ofstream(file) << "# nothing\n";
  EXPECT_NE(StopWords::read(file).error().message.find("no words, expected one a line"), std::string::npos);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace kedge::curate
