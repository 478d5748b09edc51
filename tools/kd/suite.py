"""./kd test: every stage of the test suite, and one honest count at its end."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from kd import budget, build, isa, layers, lint, packages, wheel
from kd.shell import (BUILD, CLIENTS_VENV, PYTHON_VENV, ROOT, SHARED, VENV, Failure, Stopwatch, capture, job_count,
                      relative, run, say, tracked_files)

# Where a race or a stray write would hide: what takes bytes from strangers and what runs threads.
ASAN_TESTS = ("core", "net", "formats", "text", "data", "curate", "engine", "serve")
TSAN_TESTS = ("core", "net", "data", "curate", "engine", "serve")
CHECKERS = ("check_models", "check_tokenizers", "check_templates", "check_curate")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclass
class Count:
    """Individual tests, as the runner underneath counted them."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass
class Stage:
    name: str
    what: str
    run: object  # callable: the filter ("" for all) -> Count


def add_arguments(parser) -> None:
    parser.add_argument("filter", nargs="?", default="",
                        help="a stage's name, or an expression for the names of unit and end-to-end tests")
    parser.add_argument("--list", action="store_true", help="name the stages and run nothing")


def run_suite(options) -> int:
    stages = all_stages()
    if options.list:
        for stage in stages:
            say(f"{stage.name:10} {stage.what}")
        return 0
    named = [stage for stage in stages if stage.name == options.filter]
    if named:
        stages, options.filter = named, ""
    elif options.filter:
        stages = [stage for stage in stages if stage.name in ("unit", "e2e", "clients", "python")]
    packages.ensure_packages("build", "test")
    packages.ensure_venv()
    return report([(stage, *run_stage(stage, options.filter)) for stage in stages])


def all_stages() -> list:
    return [
        Stage("tools", "the tests of kd itself", lambda _: tools_tests()),
        Stage("layers", "who includes whom (src/layers.txt)", lambda _: one_check(layers.run)),
        Stage("budget", "length of functions and files", lambda _: one_check(budget.run)),
        Stage("fmt", "clang-format", lambda _: one_check(check_format)),
        Stage("isa", "what instruction-set objects export", lambda _: one_check(isa.run, preset="release")),
        Stage("unit", "unit and golden tests, release build", unit_tests),
        Stage("e2e", "the binary from outside (tests/e2e)", end_to_end_tests),
        Stage("clients", "the server as other clients and schemathesis see it (tests/e2e/client_*.py)", client_tests),
        Stage("python", "the Python module from its wheel, on other libraries' tables and a Ray cluster (python/tests)",
              module_tests),
        Stage("web", "the chat page in a browser (web/test.sh)", lambda _: web_tests()),
        Stage("shared", "the reference data beside the checkout (../shared)", lambda _: shared_checkers()),
        Stage("asan", "unit tests and the fuzz corpus under AddressSanitizer and UBSan", lambda _: asan_tests()),
        Stage("tsan", "unit tests under ThreadSanitizer", lambda _: tsan_tests()),
    ]


def run_stage(stage: Stage, pattern: str) -> tuple:
    """(count, stopwatch text). A stage that cannot run is one failure; the stages after it still run."""
    say(f"\n=== {stage.name}: {stage.what}")
    watch = Stopwatch()
    try:
        count = stage.run(pattern)
    except Failure as failure:
        say(f"{stage.name}: {failure}")
        count = Count(failed=1)
    return count, str(watch)


def report(results: list) -> int:
    say("")
    for stage, count, seconds in results:
        say(f"{stage.name:10} {seconds:>12}  {count}")
    total = sum((count for _, count, _ in results), Count())
    if total.passed == 0 and total.failed == 0:
        say("no test ran")
        total.failed = 1
    say(str(total))
    return 1 if total.failed else 0


def one_check(check, **options) -> Count:
    return Count(passed=1) if check(SimpleNamespace(**options)) == 0 else Count(failed=1)


def check_format(_options) -> int:
    return lint.report_format(lint.format_problems(tracked_files(*lint.FORMATTED)))


def unit_tests(pattern: str) -> Count:
    build.build("release")
    return ctest("release", pattern)


def ctest(preset: str, pattern: str, wrapper: list = (), options: list = ()) -> Count:
    """Runs CTest and reads its counts from the report that it writes."""
    report_file = BUILD / preset / "ctest.xml"
    report_file.unlink(missing_ok=True)
    command = [*wrapper, "ctest", "--test-dir", BUILD / preset, "--output-on-failure", "--progress", "--parallel",
               job_count(), "--output-junit", report_file, *options]
    code = run(command + (["--tests-regex", pattern] if pattern else []), env={**os.environ, **SANITIZER_OPTIONS})
    if not report_file.is_file():
        return Count() if code == 0 else Count(failed=1)
    return junit_count(report_file, code)


def junit_count(file: Path, code: int) -> Count:
    suite = ElementTree.parse(file).getroot()
    total, failed = int(suite.get("tests", 0)), int(suite.get("failures", 0))
    skipped = int(suite.get("skipped", 0)) + int(suite.get("disabled", 0))
    if code != 0 and failed == 0:
        failed = 1
    return Count(max(total - failed - skipped, 0), failed, skipped)


def python_tests(folder: Path, pattern: str, only: str = "", top: Path = None, venv: Path = VENV,
                 whole: bool = False) -> Count:
    """`whole`: what the tests print is shown when all of them are done."""
    if not any(folder.glob(pattern)):
        return Count()
    command = [venv / "bin" / "python", "-B", "-m", "unittest", "discover", "-v", "-s", folder, "-t", top or folder,
               "-p", pattern]
    return run_counted(command + (["-k", only] if only else []), environment(), whole=whole, may_be_none=bool(only))


def python_tests_by_file(folder: Path, pattern: str, only: str = "", venv: Path = VENV) -> Count:
    """Each file of tests in a process of its own, two at a time: a test of servers waits more than it computes."""
    files = sorted(folder.glob(pattern), key=lambda file: file.stat().st_size, reverse=True)
    with ThreadPoolExecutor(min(job_count(), 2)) as pool:
        return sum(pool.map(lambda file: python_tests(folder, file.name, only, venv=venv, whole=True), files), Count())


def tools_tests() -> Count:
    return python_tests(ROOT / "tools" / "kd", "*_test.py", top=ROOT / "tools")


def end_to_end_tests(pattern: str) -> Count:
    build.build("release", ["kedge"])
    return python_tests_by_file(ROOT / "tests" / "e2e", "test_*.py", pattern)


def client_tests(pattern: str) -> Count:
    """Clients that need an environment of their own; where it cannot be made, they skip, loudly."""
    folder = ROOT / "tests" / "e2e"
    if not packages.ensure_clients_venv():
        say("SKIPPED: the wheels of tools/clients.txt could not be installed (is the package index reachable?), so no "
            "other client was tried")
        return Count(skipped=len(list(folder.glob("client_*.py"))))
    build.build("release", ["kedge"])
    return python_tests(folder, "client_*.py", pattern, venv=CLIENTS_VENV)


def module_tests(pattern: str) -> Count:
    """The wheel is installed as a user would; where its neighbours cannot be had, it is built and its tests skip."""
    packages.ensure_packages("python")
    wheel.make_wheel(BUILD / "python")
    folder = ROOT / "python" / "tests"
    if not packages.ensure_python_venv():
        say("SKIPPED: the wheels of tools/python.txt could not be installed (is the package index reachable?), so the "
            "Python module was built but not tried")
        return Count(skipped=len(list(folder.glob("test_*.py"))))
    install = [PYTHON_VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
               "--no-deps", "--force-reinstall", ROOT]
    if run(install) != 0:  # by way of pyproject.toml, of what was built
        raise Failure("pip could not install the Python module")
    build.build("release", ["kedge"])
    return python_tests(folder, "test_*.py", pattern, venv=PYTHON_VENV)


def web_tests() -> Count:
    script = ROOT / "web" / "test.sh"
    if not script.is_file():
        return Count()
    build.build("release", ["kedge"])
    return run_counted([script], environment())


def shared_checkers() -> Count:
    """The reference data is kept apart from the project; without it this stage skips, loudly."""
    scripts = [SHARED / "check" / f"{name}.py" for name in CHECKERS]
    if not all(script.is_file() for script in scripts):
        say(f"SKIPPED: {SHARED / 'check'} is not there, so nothing was compared with the reference data")
        return Count(skipped=len(scripts))
    build.build("release", ["kedge"])
    counts = [run_counted([VENV / "bin" / "python", "-B", script], environment()) for script in scripts]
    return sum(counts, Count())


def asan_tests() -> Count:
    fuzzers = sorted(file.stem for file in (ROOT / "src").rglob("*_fuzz.cc"))
    programs = test_programs(ASAN_TESTS)
    build.build("asan", [*programs, *fuzzers])
    names = [name.removesuffix("_test") + r"\." for name in programs] + ([r"fuzz_corpus\."] if fuzzers else [])
    return ctest("asan", f"^({'|'.join(names)})")


def tsan_tests() -> Count:
    programs = test_programs(TSAN_TESTS)
    build.build("tsan", programs)
    names = "|".join(name.removesuffix("_test") for name in programs)
    # Reference records compare arithmetic, which the other builds do; here they would only be slow.
    return ctest("tsan", rf"^({names})\.", fixed_addresses(), ["--exclude-regex", "Reference"])


def test_programs(folders: tuple) -> list:
    return [f"{folder}_test" for folder in folders if any((ROOT / "src" / folder).rglob("*_test.cc"))]


def fixed_addresses() -> list:
    """ThreadSanitizer cannot place its shadow where a kernel randomises addresses widely."""
    wrapper = ["setarch", os.uname().machine, "--addr-no-randomize"]
    return wrapper if capture([*wrapper, "true"]).returncode == 0 else []


def environment() -> dict:
    """What tests outside of C++ find: the binary, and the wheels' Python first on the path."""
    return {**os.environ, "KEDGE": str(BUILD / "release" / "kedge"), "PYTHON": str(VENV / "bin" / "python"),
            "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1"}


def run_counted(command: list, env: dict, whole: bool = False, may_be_none: bool = False) -> Count:
    """Runs a test program with its output shown, as it comes or `whole`, and reads its counts from what it printed."""
    lines = []
    with subprocess.Popen([str(part) for part in command], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            if not whole:
                sys.stdout.write(line)
                sys.stdout.flush()
            lines.append(line)
    if whole:
        say("".join(lines).rstrip("\n"))
    count = parse_counts("".join(lines))
    if process.returncode != 0 and count.failed == 0:
        count.failed = 1
    if count.passed == 0 and count.failed == 0 and count.skipped == 0 and not may_be_none:
        say(f"{relative(Path(str(command[0])))}: ended well but named no test that ran")
        count.failed = 1
    return count


def parse_counts(output: str) -> Count:
    """Adds up the closing lines of unittest, Node's runner, kedge's own scripts and the reference checkers."""
    total = Count()
    for match in re.finditer(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", output, re.MULTILINE):
        total += Count(int(match[1]), int(match[2]), int(match[3] or 0))
    unittest_lines = r"^Ran (\d+) tests? in .*\n+(OK|FAILED|NO TESTS RAN)?(?: \((.*)\))?$"
    for match in re.finditer(unittest_lines, output, re.MULTILINE):
        details = dict(detail.split("=") for detail in (match[3] or "").split(", ") if "=" in detail)
        failed = sum(int(details.get(word, 0)) for word in ("failures", "errors", "unexpected successes"))
        skipped = int(details.get("skipped", 0))
        total += Count(max(int(match[1]) - failed - skipped, 0), failed, skipped)
    for match in re.finditer(r"^(?:#|ℹ) (pass|fail|cancelled|skipped|todo) (\d+)$", output, re.MULTILINE):
        kind = {"pass": "passed", "fail": "failed", "cancelled": "failed"}.get(match[1], "skipped")
        total += Count(**{kind: int(match[2])})
    for match in re.finditer(r"^[\w +]+: (\d+)/(\d+) checks pass", output, re.MULTILINE):
        total += Count(int(match[1]), int(match[2]) - int(match[1]))
    return total
