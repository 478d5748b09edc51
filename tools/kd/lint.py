"""./kd fmt and ./kd lint: the format, the budget, the layers and clang-tidy."""

import os
from concurrent.futures import ThreadPoolExecutor

from kd import budget, build, layers, packages
from kd.shell import BUILD, ROOT, VENV, capture, job_count, must_run, relative, run, say, tracked_files

FORMATTED = ("*.cc", "*.h")


def add_fmt_arguments(parser) -> None:
    parser.add_argument("--check", action="store_true", help="name the files that differ and change nothing")


def add_lint_arguments(parser) -> None:
    parser.add_argument("--all", action="store_true", help="clang-tidy over every file, not over the changed ones")
    parser.add_argument("--against", default="", help="the commit that changed files differ from (default: "
                                                      "origin/main, else the commit before this one)")


def fmt(options) -> int:
    packages.ensure_packages("lint")
    packages.ensure_venv()
    files = tracked_files(*FORMATTED)
    if options.check:
        return report_format(format_problems(files))
    must_run([VENV / "bin" / "clang-format", "-i", *files], "clang-format")
    say(f"fmt: {len(files)} files")
    return 0


def format_problems(files: list) -> list:
    """Files that clang-format would change, one line each."""
    if not files:
        return []
    check = capture([VENV / "bin" / "clang-format", "--dry-run", "--Werror", *files])
    names = {line.split(":")[0] for line in check.stderr.splitlines() if "clang-format-violations" in line}
    if check.returncode != 0 and not names:
        return [check.stderr.strip()]
    return [f"{os.path.relpath(name, ROOT)}: not formatted; run ./kd fmt" for name in sorted(names)]


def report_format(problems: list) -> int:
    for problem in problems:
        say(problem)
    say(f"fmt: {len(problems)} violations")
    return 1 if problems else 0


def lint(options) -> int:
    packages.ensure_packages("build", "lint")
    packages.ensure_venv()
    codes = [report_format(format_problems(tracked_files(*FORMATTED))), budget.run(options), layers.run(options),
             tidy(options)]
    return 1 if any(codes) else 0


def tidy(options) -> int:
    sources = tracked_files("src/*.cc")
    if not options.all:
        changed = changed_files(options.against)
        sources = [file for file in sources if relative(file) in changed]
    if not sources:
        say("clang-tidy: no changed source file (--all reads every one)")
        return 0
    build.build("release", ["build.ninja"])  # brings compile_commands.json up to date with the files that there are
    say(f"clang-tidy: {len(sources)} files")
    with ThreadPoolExecutor(job_count()) as pool:
        codes = list(pool.map(tidy_file, sources))
    say(f"clang-tidy: {sum(code != 0 for code in codes)} of {len(codes)} files with findings")
    return 1 if any(codes) else 0


def tidy_file(file) -> int:
    return run(["clang-tidy-16", "--quiet", "-p", BUILD / "release", file])


def changed_files(against: str) -> set:
    base = against or next((name for name in ("origin/main", "HEAD~1")
                            if capture(["git", "rev-parse", "--verify", "--quiet", name]).returncode == 0), "HEAD")
    changed = capture(["git", "diff", "--name-only", base]).stdout.split("\n")
    added = capture(["git", "ls-files", "--others", "--exclude-standard"]).stdout.split("\n")
    return set(changed) | set(added)
