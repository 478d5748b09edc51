"""./kd fuzz: libFuzzer on every *_fuzz.cc, starting from its corpus in tests/corpus."""

import re
from concurrent.futures import ThreadPoolExecutor

from kd import build, packages
from kd.shell import BUILD, ROOT, Failure, capture, job_count, relative, say

CRASHES = BUILD / "fuzz" / "crashes"
INPUT_BYTES_MAX = 65536


def add_arguments(parser) -> None:
    parser.add_argument("name", nargs="*", help="only the fuzzers whose name contains one of these")
    parser.add_argument("--seconds", type=int, default=60, help="for each fuzzer (default: 60)")


def run_fuzzers(options) -> int:
    packages.ensure_packages("build", "fuzz")
    names = [name for name in fuzzers() if any(part in name for part in options.name or [""])]
    if not names:
        raise Failure(f"no fuzzer's name contains '{' or '.join(options.name)}'; there are: {' '.join(fuzzers())}")
    build.build("fuzz", names)
    CRASHES.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(job_count()) as pool:
        clean = list(pool.map(lambda name: fuzz(name, options.seconds), names))
    say(f"fuzz: {sum(clean)} fuzzers clean, {len(clean) - sum(clean)} failed")
    return 0 if all(clean) else 1


def fuzzers() -> list:
    return sorted(file.stem for file in (ROOT / "src").rglob("*_fuzz.cc"))


def fuzz(name: str, seconds: int) -> bool:
    """New inputs gather in build/fuzz/corpus; the corpus in the tree stays small and chosen by hand."""
    found = BUILD / "fuzz" / "corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "tests" / "corpus" / name
    result = capture([BUILD / "fuzz" / name, found, *([seeds] if seeds.is_dir() else []), f"-max_total_time={seconds}",
                      f"-artifact_prefix={CRASHES}/{name}-", f"-max_len={INPUT_BYTES_MAX}", "-timeout=10",
                      "-rss_limit_mb=2048", "-print_final_stats=1"])
    log = BUILD / "fuzz" / f"{name}.log"
    log.write_text(result.stderr, encoding="utf-8")
    runs = re.search(r"number_of_executed_units: (\d+)", result.stderr)
    coverage = re.findall(r" cov: (\d+)", result.stderr)
    say(f"{name}: {runs[1] if runs else 'no'} runs, {coverage[-1] if coverage else 'no'} edges covered")
    if result.returncode != 0:
        say(f"{name} FAILED; log: {relative(log)}, inputs: {relative(CRASHES)}/{name}-*\n{result.stderr[-2000:]}")
    return result.returncode == 0
