"""./kd isa: an instruction-set object exports its kernel table and nothing else.

A function that such an object exports, above all a weak one (an inline function or a template of a header), may be
the copy that the linker keeps for the whole program, compiled with instructions that the CPU may not have.
"""

import re
from pathlib import Path

from kd import build, packages
from kd.shell import BUILD, ROOT, Failure, capture, relative, say

TABLE = re.compile(r"^kedge::cpu::(\w+::)*k\w+$")  # a constant of kedge::cpu
DATA = "RDB"  # nm's letters for constant, initialised and zeroed data


def add_arguments(parser) -> None:
    parser.add_argument("--preset", default="release", help="whose objects to read (default: release)")


def run(options) -> int:
    packages.ensure_packages("build")
    build.build(options.preset, ["kedge_cpu"])
    objects = isa_objects(BUILD / options.preset)
    if not objects and any((ROOT / "src" / "cpu" / "isa").rglob("*.cc")):
        where = relative(BUILD / options.preset)
        raise Failure(f"{where} holds no instruction-set object; did the layout of the build change?")
    problems = [problem for file in objects for problem in check_object(file)]
    for problem in problems:
        say(problem)
    say(f"isa: {len(objects)} objects, {len(problems)} violations")
    return 1 if problems else 0


def isa_objects(folder: Path) -> list:
    return sorted(file for file in folder.rglob("*.o") if "isa" in file.parts and not file.stem.endswith(
        ("_test.cc", "_bench.cc", "_fuzz.cc")))


def check_object(file: Path) -> list:
    """Every violation of one object file, one line each."""
    listing = capture(["nm", "--extern-only", "--defined-only", "--demangle", file])
    if listing.returncode != 0:
        raise Failure(f"nm {file}: {listing.stderr.strip()}")
    where = "/".join(file.parts[file.parts.index("isa"):]) if "isa" in file.parts else file.name
    tables, problems = [], []
    for line in listing.stdout.splitlines():
        _, letter, name = line.split(maxsplit=2)
        if letter in DATA and TABLE.match(name):
            tables.append(name)
        elif letter in "WVwvu":
            problems.append(f"{where}: weak symbol {name}; the linker may keep this copy for every CPU")
        else:
            problems.append(f"{where}: exports {name}; only the kernel table may leave an instruction-set file")
    if len(tables) > 1:
        problems.append(f"{where}: exports {len(tables)} tables ({', '.join(tables)}), expected one")
    return problems
