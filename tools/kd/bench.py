"""./kd bench: the micro-benchmarks beside the code, briefly, or one scenario of bench/."""

from kd import build, packages
from kd.shell import BUILD, ROOT, VENV, Failure, run, say


def add_arguments(parser) -> None:
    parser.add_argument("name", nargs="?", default="", help="only the micro-benchmarks that match this expression, "
                                                            "or a scenario: the name of a bench/NAME.py")
    parser.add_argument("--seconds", type=float, default=0.2, help="least time of each micro-benchmark (default: 0.2)")
    parser.add_argument("rest", nargs="*", help="arguments of the scenario")


def run_benchmarks(options) -> int:
    packages.ensure_packages("build")
    scenario = ROOT / "bench" / f"{options.name}.py"
    if options.name and scenario.is_file():
        packages.ensure_packages("test")
        packages.ensure_venv()
        build.build("release", ["kedge"])
        return run([VENV / "bin" / "python", scenario, *options.rest])
    names = benchmark_programs()
    build.build("release", names)
    codes = [run_program(name, options) for name in names]
    scenarios = " ".join(file.stem for file in sorted((ROOT / "bench").glob("*.py")))
    say(f"scenarios: {scenarios or 'none'}")
    return 1 if any(codes) else 0


def benchmark_programs() -> list:
    """One program a folder of src/ that has a *_bench.cc."""
    folders = {file.relative_to(ROOT / "src").parts[0] for file in (ROOT / "src").rglob("*_bench.cc")}
    if not folders:
        raise Failure("no *_bench.cc under src/")
    return [f"{folder}_bench" for folder in sorted(folders)]


def run_program(name: str, options) -> int:
    only = [f"--benchmark_filter={options.name}"] if options.name else []
    return run([BUILD / "release" / name, f"--benchmark_min_time={options.seconds}", *only])
