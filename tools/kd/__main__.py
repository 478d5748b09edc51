"""The commands of ./kd."""

import argparse
import os
import shutil
import sys

from kd import bench, budget, build, fresh, fuzz, isa, layers, lint, packages, server, suite, wheel
from kd.shell import BUILD, Failure, job_count, relative, run, say


def dev(options) -> int:
    packages.ensure_packages("build", "dev", "test")
    build.build("dev")
    only = ["--tests-regex", options.filter] if options.filter else []
    return run(["ctest", "--test-dir", BUILD / "dev", "--output-on-failure", "--progress", "--parallel",
                job_count(), *only])


def build_program(options) -> int:
    packages.ensure_packages("build")
    if not options.packages_only:
        build.build("release", ["kedge"])
        say(f"{relative(BUILD / 'release' / 'kedge')} is built")
    return 0


def add_build_arguments(parser) -> None:
    parser.add_argument("--packages-only", action="store_true", help="install what a build needs and build nothing")


def add_dev_arguments(parser) -> None:
    parser.add_argument("filter", nargs="?", default="", help="an expression for the names of unit tests")


def clean(_options) -> int:
    server.down(None)
    if BUILD.is_dir():
        shutil.rmtree(BUILD)
    say(f"{relative(BUILD)} is gone; .venv stays")
    return 0


def nothing(_parser) -> None:
    pass


# name: (what it does, its arguments, its function)
COMMANDS = {
    "up": ("install what is missing, build, start the server, print its address", server.add_arguments, server.up),
    "build": ("install what is missing and build build/release/kedge", add_build_arguments, build_program),
    "down": ("stop that server", nothing, server.down),
    "test": ("run every test: unit, golden, end-to-end, sanitizers, fuzz corpus", suite.add_arguments, suite.run_suite),
    "dev": ("configure, build and run the unit tests with ccache and mold", add_dev_arguments, dev),
    "bench": ("run the micro-benchmarks, or one scenario of bench/", bench.add_arguments, bench.run_benchmarks),
    "fuzz": ("fuzz the parsers of foreign bytes", fuzz.add_arguments, fuzz.run_fuzzers),
    "python": ("build the Python module as a wheel, build/python/kedge-*.whl", nothing, wheel.run_python),
    "fmt": ("format the C++ files", lint.add_fmt_arguments, lint.fmt),
    "lint": ("format, budget, layers, and clang-tidy on changed files", lint.add_lint_arguments, lint.lint),
    "layers": ("check who includes whom", nothing, layers.run),
    "budget": ("check the length of functions and files", nothing, budget.run),
    "isa": ("check what instruction-set objects export", isa.add_arguments, isa.run),
    "fresh": ("prove all of it in a bare Debian 12", fresh.add_arguments, fresh.run_fresh),
    "clean": ("stop the server and remove build/", nothing, clean),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./kd", description="Builds, tests, starts and checks kedge.")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, (what, add_arguments, function) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        add_arguments(command)
        command.set_defaults(function=function)
    commands.add_parser("help", help="print this")
    options = parser.parse_args()
    os.environ.pop("PYTHONPATH", None)  # it was for this program, not for those that it starts
    if not hasattr(options, "function"):
        parser.print_help()
        return 0
    try:
        return options.function(options)
    except Failure as failure:
        print(f"kd: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


sys.exit(main())
