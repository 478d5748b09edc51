// Goal: languages are told apart, and broken model files are refused.
// Method: a sentence each, and a small fastText model laid down by hand.
#include "curate/language/language.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "curate/language/script.h"

namespace kedge::curate {
namespace {

TEST(BuiltIn, tells_languages_apart) {
  const auto model = built_in_language_model();
  EXPECT_EQ(model->identify("The program reads the file and writes the result.").code, "en");
  EXPECT_EQ(model->identify("Das Programm liest die Datei und schreibt das Ergebnis.").code, "de");
  EXPECT_EQ(model->identify("El programa lee el archivo y escribe el resultado.").code, "es");
  EXPECT_EQ(model->identify("\xE6\x96\x87\xE4\xBB\xB6\xE5\xB7\xB2\xE4\xBF\x9D\xE5\xAD\x98").code, "zh");
  EXPECT_EQ(model->identify("").code, "und");
  EXPECT_EQ(model->identify("123 !?").code, "und");
  const Language sure = model->identify("Il programma legge il file e scrive il risultato nella cartella.");
  EXPECT_EQ(sure.code, "it");
  EXPECT_GT(sure.score, 0.5);
  EXPECT_LE(sure.score, 1.0);
}

TEST(BuiltIn, knows_languages_by_more_than_what_manuals_of_commands_say) {
  const auto model = built_in_language_model();
  const std::pair<const char*, const char*> sentences[] = {
      {"sr", "Ова књига говори о животу људи који су живели поред реке."},
      {"bg", "Тази книга разказва за живота на хората, които са живели край реката."},
      {"da", "Bogen handler om mennesker, der levede tæt på floden, og om hvad de nåede at opleve."},
      {"fi", "Haluaisimme tietää, milloin tulet kotiin ja mitä olet tehnyt."},
      {"hu", "Szeretnénk tudni, mikor jössz haza, és mit csináltál egész nap."},
      {"ca", "Aquest llibre explica la vida de les persones que vivien a prop del riu."},
      {"ro", "Această carte povestește despre viața oamenilor care trăiau lângă râu."},
      {"he", "הספר הזה מספר על חייהם של האנשים שחיו ליד הנהר."},
      {"vi", "Cuốn sách này kể về cuộc sống của những người sống bên sông."},
      {"en", "The door was open, and nobody knew who had left it so."}};
  for (const auto& [code, sentence] : sentences) EXPECT_EQ(model->identify(sentence).code, code) << sentence;
}

class FastTextFile : public testing::Test {
 protected:
  FastTextFile() : path_(std::filesystem::temp_directory_path() / ("kedge_fasttext_" + std::to_string(::getpid()))) {}
  ~FastTextFile() override { std::filesystem::remove(path_); }

  template <typename T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  /// Two words, each with the vector of its own label.
  void make() {
    put<int32_t>(793712314);
    put<int32_t>(12);
    for (const int32_t argument : {2, 5, 5, 1, 5, 1, 3, 3, 0, 0, 0, 100}) put(argument);  // softmax, no pieces
    put<double>(0);
    for (const int32_t size : {4, 2, 2}) put(size);
    put<int64_t>(10);
    put<int64_t>(-1);
    for (const auto& [word, type] : {std::pair{"cat", 0}, {"chat", 0}, {"__label__en", 1}, {"__label__fr", 1}}) {
      bytes_.append(word, std::strlen(word) + 1);
      put<int64_t>(5);
      put(static_cast<uint8_t>(type));
    }
    for (int matrix = 0; matrix < 2; ++matrix) {
      put<uint8_t>(0);
      put<int64_t>(2);
      put<int64_t>(2);
      for (const float value : {4.0F, 0.0F, 0.0F, 4.0F}) put(value);
    }
  }
  auto open() {
    std::ofstream(path_, std::ios::binary) << bytes_;
    return open_fasttext_model(path_);
  }

  std::filesystem::path path_;
  std::string bytes_;
};

TEST_F(FastTextFile, is_read_and_used) {
  make();
  const auto model = open();
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model.value()->identify("cat\ncat").code, "en");
  EXPECT_EQ(model.value()->identify("chat").code, "fr");
  EXPECT_EQ(model.value()->identify(" ").code, "und");
}

TEST_F(FastTextFile, is_refused_wherever_it_breaks_off) {
  make();
  const std::string whole = bytes_;
  for (size_t size = 0; size < whole.size(); size += 3) {
    bytes_ = whole.substr(0, size);
    EXPECT_FALSE(open().ok()) << size;
  }
}

TEST(Script, most_letters_decide) {
  const auto script = [](std::u32string_view text) { return main_script(text); };
  EXPECT_EQ(script(U"Some words, 123.").code, "Latn");
  EXPECT_EQ(script(U"Some words, 123.").share, 1);
  EXPECT_EQ(script(U"слово и ещё word").code, "Cyrl");
  EXPECT_DOUBLE_EQ(script(U"слово и ещё word").share, 9.0 / 13);
  EXPECT_EQ(script(U"日本語の文").code, "Hani");
  EXPECT_EQ(script(U"한국어 문장").code, "Hang");
  EXPECT_EQ(script(U"aя").code, "Latn");
  EXPECT_EQ(script(U"яa").code, "Cyrl");
  EXPECT_EQ(script(U"12 + 3 = 15").code, "Zzzz");
  EXPECT_EQ(script(U"").share, 0);
}

}  // namespace
}  // namespace kedge::curate
