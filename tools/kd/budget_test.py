"""Goal: the budget measures real code and sees what is too long.

Method: small sources with known lengths, one error planted.
"""

import tempfile
import unittest
from pathlib import Path

from kd import budget

CPP = r'''
namespace a {
// a brace { in a comment
struct Foo final : Base<int> {
  Foo(int a) : a_{a},
     b_(b), c_{1} {
    x();
  }
  void g() const noexcept { if (x) { y(); } }
  std::vector<int> e{1, 2};
  enum class E { a, b };
 private:
  const char* s = "}{";
};
template <typename T>
Result<T> f(int a,
   int b) {
  auto l = [&](int x) { return x; };
  return R"(}}}{)";
}
const int kTable[] = {1, 2, {3}};
constexpr char c = '{'; int n = 1'000'000; char q = '\'';
#define MACRO(x) { \
  x
TEST(Foo, bar_baz) {
  one();
}
}
extern "C" int entry(const char* data, int size) {
  return 0;
}
'''


def problems_of(name: str, text: str) -> list:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return budget.check(Path(folder), [file], [])


class BudgetTest(unittest.TestCase):
    def test_finds_cpp_functions(self):
        expected = [("Foo", 5, 4), ("g", 9, 1), ("f", 15, 6), ("test Foo.bar_baz", 25, 3), ("entry", 29, 3)]
        self.assertEqual(budget.cpp_functions(CPP), expected)

    def test_long_cpp_function(self):
        for lines in (68, 69):
            text = "int f() {\n" + "  g();\n" * lines + "}\n"
            self.assertEqual(len(problems_of("src/a/x.cc", text)), int(lines > 68), lines)

    def test_long_member_after_member_list(self):
        text = "struct A {\n  A() : a{1}, b{2} {\n" + "    g();\n" * 90 + "  }\n};\n"
        self.assertIn("A has 92 lines", problems_of("src/a/x.h", text)[0])

    def test_long_python_function(self):
        text = "def f():\n" + "    g()\n" * 70
        self.assertIn("x.py:1: f has 71 lines", problems_of("tools/x.py", text)[0])

    def test_long_file(self):
        self.assertEqual(problems_of("src/a/x.cc", "\n" * 800), [])
        self.assertIn("801 lines, at most 800", problems_of("src/a/x.cc", "\n" * 801)[0])

    def test_library_that_prints_or_exits(self):
        for line, word in (('std::cout << "x";', "cout"), ("exit(1);", "exit"), ('getenv("HOME");', "getenv"),
                           ('std::printf("x");', "printf")):
            problems = problems_of("src/core/x.cc", f"void f() {{\n  {line}\n}}\n")
            self.assertEqual(len(problems), 1, line)
            self.assertIn(f"src/core/x.cc:2: {word} below cli", problems[0])
            for name in ("src/cli/x.cc", "src/core/x_test.cc", "src/core/x_fuzz.cc", "src/core/x_bench.cc"):
                self.assertEqual(problems_of(name, f"void f() {{\n  {line}\n}}\n"), [], name)

    def test_words_that_only_look_like_it(self):
        text = 'void f() {\n  // exit(1)\n  g("exit(1)");\n  on_exit_(1);\n}\n'
        self.assertEqual(problems_of("src/core/x.cc", text), [])
