"""What every command needs: where things are, how to run a program, how to speak and how to fail."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
STATE = ROOT / ".kd"  # what a running server leaves; never committed
VENV = ROOT / ".venv"
CLIENTS_VENV = ROOT / ".venv-clients"  # other clients of the API, which need other versions of what .venv has
PYTHON_VENV = ROOT / ".venv-python"  # the Python module and the libraries whose tables it takes
ARROW = ROOT / ".arrow"  # the wheel whose C++ libraries the build links
SHARED = ROOT.parent / "shared"  # reference data beside the checkout, where there is one


class Failure(Exception):
    """Ends the command with one line on standard error."""


def say(text: str) -> None:
    print(text, flush=True)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def run(command: list, **options) -> int:
    """Runs a program with its output going where ours goes; returns its exit code."""
    sys.stdout.flush()
    options.setdefault("cwd", ROOT)
    try:
        return subprocess.run([str(part) for part in command], check=False, **options).returncode
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not installed") from None


def must_run(command: list, what: str, **options) -> None:
    code = run(command, **options)
    if code != 0:
        raise Failure(f"{what} failed (exit code {code}): {' '.join(str(part) for part in command)}")


def capture(command: list, **options) -> subprocess.CompletedProcess:
    """Runs a program and keeps its output."""
    options.setdefault("cwd", ROOT)
    try:
        return subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True,
                              errors="replace", **options)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not installed") from None


def tracked_files(*patterns: str) -> list[Path]:
    """Files that git tracks, or would track if they were added, under ROOT."""
    listing = capture(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns])
    if listing.returncode != 0:
        raise Failure(f"git ls-files failed: {listing.stderr.strip()}")
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    return sorted(file for file in set(files) if file.is_file())


def job_count() -> int:
    """Compile jobs at a time: one a core, unless CMake's own variable says otherwise."""
    return int(os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or len(os.sched_getaffinity(0)))


class Stopwatch:
    def __init__(self) -> None:
        self.start = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self.start

    def __str__(self) -> str:
        seconds = self.seconds()
        return f"{seconds:.1f} s" if seconds < 100 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
