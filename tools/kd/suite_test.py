"""Goal: the suite's last line is an honest count. Method: closing lines of every runner, with failures and skips."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from kd import suite
from kd.suite import Count


class ParseTest(unittest.TestCase):
    def test_unittest(self):
        self.assertEqual(suite.parse_counts("Ran 12 tests in 0.3s\n\nOK\n"), Count(12))
        self.assertEqual(suite.parse_counts("Ran 1 test in 0.3s\n\nOK (skipped=1)\n"), Count(0, 0, 1))
        self.assertEqual(suite.parse_counts("Ran 9 tests in 0.3s\n\nFAILED (failures=2, errors=1, skipped=3)\n"),
                         Count(3, 3, 3))
        self.assertEqual(suite.parse_counts("Ran 3 tests in 1s\n\nOK (expected failures=1)\n"), Count(3))
        self.assertEqual(suite.parse_counts("Ran 0 tests in 0.000s\n\nOK\n"), Count())

    def test_plain_line(self):
        self.assertEqual(suite.parse_counts("noise\n7 passed, 2 failed\n"), Count(7, 2))
        self.assertEqual(suite.parse_counts("page: 7 passed, 0 failed, 4 skipped\n"), Count(7, 0, 4))

    def test_node(self):
        self.assertEqual(suite.parse_counts("# tests 9\n# pass 6\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 0\n"),
                         Count(6, 2, 1))
        self.assertEqual(suite.parse_counts("ℹ tests 4\nℹ pass 4\nℹ fail 0\n"), Count(4))

    def test_reference_checker(self):
        line = "models: 120/123 checks pass, worst logit error 3e-4 (llama); 2 rows fail\n"
        self.assertEqual(suite.parse_counts(line), Count(120, 3))

    def test_ctest_report(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "ctest.xml")
            file.write_text('<testsuite tests="10" failures="2" disabled="1" skipped="3"/>', encoding="utf-8")
            self.assertEqual(suite.junit_count(file, 8), Count(4, 2, 4))
            file.write_text('<testsuite tests="10" failures="0" disabled="0" skipped="0"/>', encoding="utf-8")
            self.assertEqual(suite.junit_count(file, 1), Count(9, 1, 0))


class RunTest(unittest.TestCase):
    def setUp(self):
        """What these tests print would be counted by the suite that runs them."""
        self.enterContext(contextlib.redirect_stdout(io.StringIO()))

    def run_script(self, script: str, **options) -> Count:
        return suite.run_counted(["/bin/sh", "-c", script], suite.environment(), **options)

    def test_exit_code_counts_when_the_text_does_not(self):
        self.assertEqual(self.run_script("echo 3 passed, 0 failed; exit 1"), Count(3, 1))

    def test_silent_success_is_a_failure(self):
        self.assertEqual(self.run_script("true"), Count(0, 1))

    def test_one_file_of_several_may_have_no_test_of_that_name(self):
        self.assertEqual(self.run_script("true", may_be_none=True), Count())
        self.assertEqual(self.run_script("false", may_be_none=True), Count(0, 1))
        self.assertEqual(self.run_script("echo 3 passed, 1 failed; exit 1", whole=True, may_be_none=True), Count(3, 1))

    def test_report_fails_when_nothing_ran(self):
        stage = suite.Stage("x", "", None)
        self.assertEqual(suite.report([(stage, Count(skipped=3), "0 s")]), 1)
        self.assertEqual(suite.report([(stage, Count(passed=3), "0 s")]), 0)
        self.assertEqual(suite.report([(stage, Count(3, 1), "0 s")]), 1)
