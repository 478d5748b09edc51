"""Debian packages and Python wheels: what each is for, what is missing, how it is installed."""

import hashlib
import os
import shutil

from kd.shell import ARROW, ROOT, VENV, Failure, capture, must_run, run, say

# Debian has no Apache Arrow; its Python wheel carries the C++ headers and libraries that the build links.
ARROW_WHEEL = "pyarrow==26.0.1"

# The one list. `build` is all that `./kd up` needs; the other groups are added by the command that needs them.
GROUPS = {
    "build": {
        "g++": "the compiler (C++20)",
        "cmake": "the build's description",
        "ninja-build": "the build's engine",
        "pkg-config": "finds libedit, utf8proc and pcre2",
        "libboost1.81-dev": "HTTP server and client (Beast, Asio)",
        "libssl-dev": "TLS and checksums",
        "nlohmann-json3-dev": "JSON of the API and of configs",
        "libcli11-dev": "the command line",
        "libfmt-dev": "formatting",
        "libspdlog-dev": "logging",
        "libutf8proc-dev": "Unicode properties and normal forms",
        "libsimdjson-dev": "bulk JSON: checkpoint headers and tokenizers",
        "libpcre2-dev": "split patterns that no scanner of ours knows",
        "libxxhash-dev": "checksums of large files",
        "zlib1g-dev": "compressed HTTP bodies and documents",
        "libzstd-dev": "compressed documents",
        "libicu-dev": "Unicode properties, character sets and their detection for documents",
        "libre2-dev": "patterns of personal data, in time linear in the text",
        "libgumbo-dev": "HTML as browsers read it",
        "libedit-dev": "line editing of the interactive chat",
        "libgtest-dev": "unit tests (found when the build is configured)",
        "libgmock-dev": "unit tests",
        "libbenchmark-dev": "micro-benchmarks (found when the build is configured)",
        "python3-venv": "the private environment of the wheel below",
        "esbuild": "bundles the chat page",
        "curl": "the first request, from the line that ./kd up prints",
    },
    "test": {
        "git": "lists the files to check",
        "nodejs": "runs the tests of the chat page's code",
        "node-typescript": "type-checks the chat page",
        "chromium": "shows the chat page to its tests",
    },
    "dev": {
        "ccache": "compiles again only what changed",
        "mold": "links fast",
    },
    "fuzz": {
        "clang-16": "libFuzzer",
        "libclang-rt-16-dev": "libFuzzer's and the sanitizers' runtime",
    },
    "lint": {
        "clang-tidy-16": "static analysis",
        "git": "lists the files to check",
        "python3-venv": "the private environment with clang-format",
    },
    "fresh": {
        "debootstrap": "makes a bare Debian to try the project in",
    },
}


def missing_packages(groups: list) -> dict:
    """Packages of the groups that are not installed, with what each is for."""
    wanted = {name: why for group in groups for name, why in GROUPS[group].items()}
    if shutil.which("dpkg-query") is None:
        say("kd: not a Debian system; expecting these to be installed: " + " ".join(wanted))
        return {}
    query = capture(["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\\n", *wanted])
    installed = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    return {name: why for name, why in wanted.items() if name not in installed}


def ensure_packages(*groups: str) -> None:
    """Installs what is missing; asks apt for nothing when nothing is."""
    missing = missing_packages(list(groups))
    if missing:
        install(missing)
    if "build" in groups:
        ensure_arrow()


def install(missing: dict) -> None:
    say("Installing Debian packages:")
    for name, why in missing.items():
        say(f"  {name:20} {why}")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if as_root and shutil.which("sudo") is None:
        raise Failure("packages are missing and sudo is not installed; as root run: "
                      "apt-get install --no-install-recommends " + " ".join(missing))
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    must_run([*apt, "update"], "reading the package lists")
    must_run([*apt, "install", "-y", "--no-install-recommends", *missing], "installing packages")


def ensure_arrow() -> None:
    """Puts the wheel with Arrow's C++ libraries into .arrow, where CMake looks for it."""
    stamp = ARROW / "wheel"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == ARROW_WHEEL:
        return
    say(f"Installing {ARROW_WHEEL} into .arrow: Parquet files")
    must_run(["/usr/bin/python3", "-m", "venv", "--clear", ARROW], "making .arrow")
    if run([ARROW / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", ARROW_WHEEL]) != 0:
        raise Failure(f"installing {ARROW_WHEEL} failed; is the package index reachable?")
    stamp.write_text(ARROW_WHEEL, encoding="utf-8")


def ensure_venv() -> None:
    """Makes .venv with the wheels of tools/requirements.txt, once for each content of that file."""
    requirements = ROOT / "tools" / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = VENV / "requirements.sha256"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    say("Making the private Python environment .venv")
    must_run(["/usr/bin/python3", "-m", "venv", "--clear", VENV], "making .venv")
    pip = [VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]
    if run(pip) != 0:
        raise Failure("installing the wheels of tools/requirements.txt failed; is the package index reachable?")
    stamp.write_text(digest, encoding="utf-8")
