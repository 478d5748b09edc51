"""Goal: ./kd isa sees every symbol that may leave an instruction-set object.

Method: compile objects with one planted.
"""

import subprocess
import tempfile
import unittest
from pathlib import Path

from kd import isa

TABLE = """
namespace kedge::cpu {
namespace { int one() { return 1; } }
struct Table { int (*one)(); };
extern const Table kAvx2Kernels;
const Table kAvx2Kernels = {one};
"""


def problems_of(extra: str) -> list:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "src/cpu/isa/avx2")
        folder.mkdir(parents=True)
        source, target = folder / "x.cc", folder / "x.cc.o"
        source.write_text(TABLE + extra + "}\n", encoding="utf-8")
        subprocess.run(["g++", "-std=c++20", "-O0", "-c", source, "-o", target], check=True)
        assert isa.isa_objects(Path(name)) == [target]
        return isa.check_object(target)


class IsaTest(unittest.TestCase):
    def expect_one(self, expected: str, extra: str) -> None:
        problems = problems_of(extra)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(expected, problems[0])

    def test_table_alone_is_clean(self):
        self.assertEqual(problems_of(""), [])

    def test_exported_function(self):
        self.expect_one("exports kedge::cpu::leak()", "int leak() { return 2; }\n")

    def test_exported_variable(self):
        self.expect_one("exports kedge::cpu::counter", "int counter = 3;\n")

    def test_weak_inline_function(self):
        self.expect_one("weak symbol kedge::cpu::twice(int)",
                        "inline int twice(int x) { return 2 * x; }\n"
                        "namespace { int (*keep)(int) [[gnu::used]] = twice; }\n")

    def test_weak_template(self):
        self.expect_one("weak symbol", "template <typename T> T same(T x) { return x; }\n"
                                       "namespace { int (*keep)(int) [[gnu::used]] = same<int>; }\n")

    def test_unique_static_of_an_inline_function(self):
        problems = problems_of("inline int& state() { static int value = 0; return value; }\n"
                               "namespace { int& (*keep)() [[gnu::used]] = state; }\n")
        self.assertEqual(len([problem for problem in problems if "weak symbol" in problem]), 2, problems)

    def test_second_table(self):
        self.expect_one("exports 2 tables", "extern const Table kMoreKernels;\nconst Table kMoreKernels = {one};\n")
