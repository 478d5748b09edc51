"""./kd fuzz: libFuzzer on every *_fuzz.cc, starting from its corpus in tests/corpus."""

from kd import build, packages
from kd.shell import BUILD, ROOT, Failure, relative, run, say

CRASHES = BUILD / "fuzz" / "crashes"
INPUT_BYTES_MAX = 65536


def add_arguments(parser) -> None:
    parser.add_argument("name", nargs="?", default="", help="only the fuzzers whose name contains this")
    parser.add_argument("--seconds", type=int, default=60, help="for each fuzzer (default: 60)")


def run_fuzzers(options) -> int:
    packages.ensure_packages("build", "fuzz")
    names = [name for name in fuzzers() if options.name in name]
    if not names:
        raise Failure(f"no fuzzer's name contains '{options.name}'; there are: {' '.join(fuzzers())}")
    build.build("fuzz", names)
    CRASHES.mkdir(parents=True, exist_ok=True)
    failed = [name for name in names if fuzz(name, options.seconds) != 0]
    for name in failed:
        say(f"{name}: failed; the inputs are {relative(CRASHES)}/{name}-*")
    say(f"fuzz: {len(names) - len(failed)} fuzzers clean, {len(failed)} failed")
    return 1 if failed else 0


def fuzzers() -> list:
    return sorted(file.stem for file in (ROOT / "src").rglob("*_fuzz.cc"))


def fuzz(name: str, seconds: int) -> int:
    """New inputs gather in build/fuzz/corpus; the corpus in the tree stays small and chosen by hand."""
    found = BUILD / "fuzz" / "corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "tests" / "corpus" / name
    say(f"{name}: {seconds} s")
    return run([BUILD / "fuzz" / name, found, *([seeds] if seeds.is_dir() else []), f"-max_total_time={seconds}",
                f"-artifact_prefix={CRASHES}/{name}-", f"-max_len={INPUT_BYTES_MAX}", "-timeout=10",
                "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1"])
