// Goal: the text of pages without what surrounds it, whatever the markup and the character set.
// Method: small pages, one habit of the web each.
#include "curate/extract/extract.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "curate/extract/empty_elements.h"
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

TEST(MainText, an_empty_element_of_xhtml_does_not_stay_open) {
  // HTML reads <a id="x"/> as the beginning of a link, and jusText drops paragraphs that are links.
  EXPECT_EQ(with_empty_elements_closed("<a id='x'/><br/><P />a<b/>c<a href=/>d</a><!-- <i/> --><q t='/>'>e</q><a/"),
            "<a id='x'></a><br/><P ></P>a<b></b>c<a href=/>d</a><!-- <i/> --><q t='/>'>e</q><a/");
  EXPECT_TRUE(is_xhtml("<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\">"));
  EXPECT_FALSE(is_xhtml("<!DOCTYPE html><p>xml"));
  EXPECT_EQ(
      precise("<?xml version='1.0'?><html><body><script src='a.js'/><h1>T</h1><p>" + kStory + "</p></body></html>"),
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
  EXPECT_EQ(page("text/html", "<p>\x1B$B%F\x1B(B</p>"), "<p>\xE3\x83\x86</p>");
}

TEST(HttpPage, labels_mean_what_browsers_mean) {
  const auto page = [](const std::string& charset, const std::string& body) {
    return read_http_page("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=" + charset + "\r\n\r\n" + body).value();
  };
  // Within an element that is read as ASCII, UTF-16 is none.
  EXPECT_EQ(decode_page("<meta charset=\"utf-16\">caf\xC3\xA9", ""), "<meta charset=\"utf-16\">caf\xC3\xA9");
  EXPECT_EQ(page("utf-16", std::string("a\0\xE9\0", 4)), "a\xC3\xA9");
  EXPECT_EQ(page("utf-16", std::string("\xFE\xFF\0a", 4)), "a");
  for (const char* label : {"euc-kr", "ks_c_5601", "ks_c_5601-1987", "KSC5601"}) {
    EXPECT_EQ(page(label, "\x8C\x63"), "\xEB\x98\xA0") << label;  // in windows-949 alone
  }
  EXPECT_EQ(page("Shift_JIS", "\x87\x40"), "\xE2\x91\xA0");  // NEC's circled one
  EXPECT_EQ(page("csgb2312", "\x81\x30\x81\x30"), "\xC2\x80");
  EXPECT_EQ(page("ascii", "\x80"), "\xE2\x82\xAC");
  EXPECT_EQ(page("cp819", "\x80"), "\xE2\x82\xAC");
  EXPECT_EQ(page("iso-8859-9", "\x80\xFD"), "\xE2\x82\xAC\xC4\xB1");
  EXPECT_EQ(page("l5", "\x80"), "\xE2\x82\xAC");
  EXPECT_EQ(page("tis-620", "\x80"), "\xE2\x82\xAC");
  EXPECT_EQ(page("x-mac-ukrainian", "\x80"), "\xD0\x90");
  EXPECT_EQ(page("ansi_x3.4-1968", "\x93"), "\xE2\x80\x9C");
}

/// Window bits as zlib has them: 15: zlib, 31: gzip, -15: raw.
std::string deflated(const std::string& bytes, int window) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(HttpPage, codings_are_undone_in_their_order) {
  const auto page = [](const std::string& fields, const std::string& body) {
    return read_http_page("HTTP/1.1 200 OK\r\n" + fields + "\r\n\r\n" + body);
  };
  const auto chunked = [](const std::string& body) {
    return fmt::format("{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", 7, body.substr(0, 7), body.size() - 7, body.substr(7));
  };
  for (const int window : {15, 31, -15}) {
    EXPECT_EQ(page("Content-Encoding: deflate", deflated(kStory, window)).value(), kStory) << window;
  }
  EXPECT_EQ(page("Transfer-Encoding: gzip, chunked", chunked(deflated(kStory, 31))).value(), kStory);
  EXPECT_EQ(page("Content-Encoding: deflate\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: Chunked",
                 chunked(deflated(deflated(kStory, -15), 31)))
                .value(),
            kStory);
  EXPECT_EQ(page("Content-Encoding: gzip, identity", deflated(kStory, 31).substr(0, 60)).value(), kStory.substr(0, 43));
  // As archives store them, and what servers write there for nothing.
  for (const char* coding : {"gzip", "deflate", "br", "none", "utf-8"}) {
    EXPECT_EQ(page(std::string("Content-Encoding: ") + coding, kStory).value(), kStory);
  }
  const std::string brotli = "\x0B\x02\x80hello\x03";
  EXPECT_EQ(page("Content-Encoding: br", brotli).error().message,
            "the body's coding is 'br', expected gzip, deflate or none");
  for (const char* coding : {"gzip", "deflate", "zstd", "gzip,gzip,gzip,gzip,gzip"}) {
    EXPECT_FALSE(page(std::string("Content-Encoding: ") + coding, brotli).ok()) << coding;
  }
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
