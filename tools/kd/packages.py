"""Debian packages and Python wheels: what each is for, what is missing, how it is installed."""

import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from kd.shell import (ARROW, BUILD, CLIENTS_VENV, PYTHON_VENV, ROOT, VENV, Failure, capture, job_count, must_run,
                      relative, run, say)

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
        "libisal-dev": "reads gzip in half of zlib's time",
        "libbz2-dev": "dumps of encyclopedias",
        "libpoppler-cpp-dev": "text of PDF files",
        "libicu-dev": "Unicode properties, character sets and their detection for documents",
        "libre2-dev": "patterns of personal data, in time linear in the text",
        "libyaml-cpp-dev": "pipelines and recipes in YAML",
        "libedit-dev": "line editing of the interactive chat",
        "libgtest-dev": "unit tests (found when the build is configured)",
        "libgmock-dev": "unit tests",
        "libbenchmark-dev": "micro-benchmarks (found when the build is configured)",
        "esbuild": "bundles the chat page",
        "python3-venv": "pip, which fetches lexbor, Arrow and oneDNN",
        "libgomp1": "the threads that oneDNN's library is linked to",
        "curl": "the first request, from the line that ./kd up prints",
    },
    "python": {
        "python3-dev": "headers for the Python module",
        "python3-venv": "pip, which fetches nanobind",
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
    """Puts the wheel with Arrow's C++ libraries into .arrow, where CMake looks for it, or goes on without."""
    stamp = ARROW / "wheel"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == ARROW_WHEEL:
        return
    say(f"Installing {ARROW_WHEEL} into .arrow: Parquet files")
    must_run(["/usr/bin/python3", "-m", "venv", "--clear", ARROW], "making .arrow")
    if run([ARROW / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", ARROW_WHEEL]) != 0:
        say(f"kd: {ARROW_WHEEL} could not be installed; the build goes on without Parquet files")
        return
    stamp.write_text(ARROW_WHEEL, encoding="utf-8")


def ensure_venv() -> None:
    """Makes .venv with the wheels of tools/requirements.txt, once for each content of that file."""
    if not make_venv(VENV, ROOT / "tools" / "requirements.txt"):
        raise Failure("installing the wheels of tools/requirements.txt failed; is the package index reachable?")


def ensure_clients_venv() -> bool:
    """Makes .venv-clients; false where the package index cannot be reached, so that its tests can only be skipped."""
    return make_venv(CLIENTS_VENV, ROOT / "tools" / "clients.txt", "--no-deps", "--no-compile", "--retries", "1")


def ensure_python_venv() -> bool:
    """Makes .venv-python; false where the package index cannot be reached."""
    return make_venv(PYTHON_VENV, ROOT / "tools" / "python.txt", "--no-deps", "--no-compile", "--retries", "1")


def make_venv(folder: Path, requirements: Path, *options: str) -> bool:
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = folder / "requirements.sha256"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return True
    say(f"Making the private Python environment {relative(folder)}")
    must_run(["/usr/bin/python3", "-m", "venv", "--clear", folder], f"making {relative(folder)}")
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *options, "--requirement",
           requirements]
    if run(pip) != 0:
        return False
    stamp.write_text(digest, encoding="utf-8")
    return True


# An optional part of the build (docs/decisions/0013-onednn.md). The wheels hold no Python: unpacked, not installed.
ONEDNN = BUILD / "deps" / "onednn"
ONEDNN_WHEELS = ("onednn-cpu-gomp==2023.2.0", "onednn-devel-cpu-gomp==2023.2.0")


def ensure_onednn() -> None:
    """Puts oneDNN's library and headers under build/deps, once. Where the index cannot be reached the build goes on."""
    stamp = ONEDNN / "wheels.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8").split() == list(ONEDNN_WHEELS):
        return
    say("Fetching oneDNN's wheels (40 MB)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = VENV / "bin" / "pip"
        if not pip.is_file():
            must_run(["/usr/bin/python3", "-m", "venv", folder / "venv"], "making an environment with pip")
            pip = folder / "venv" / "bin" / "pip"
        download = [pip, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--retries", "1",
                    "--dest", folder / "wheels", *ONEDNN_WHEELS]
        if run(download) != 0:
            say("kd: oneDNN's wheels could not be fetched; the build goes on without --gemm onednn")
            return
        unpack_wheels(sorted((folder / "wheels").glob("*.whl")), ONEDNN)
    stamp.write_text("\n".join(ONEDNN_WHEELS), encoding="utf-8")
    say(f"{relative(ONEDNN)} is there")


# HTML as browsers read it (docs/decisions/0087-lexbor.md). Debian 12 has no package; this source archive carries it.
LEXBOR = BUILD / "deps" / "lexbor"
LEXBOR_ARCHIVE = "selectolax==1.0.2"


def ensure_lexbor() -> None:
    """Builds lexbor's static library under build/deps, once. Fails where the index cannot be reached."""
    stamp = LEXBOR / "archive.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == LEXBOR_ARCHIVE:
        return
    say(f"Fetching and building lexbor (of {LEXBOR_ARCHIVE})")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        must_run(["/usr/bin/python3", "-m", "venv", folder / "venv"], "making an environment with pip")
        must_run([folder / "venv" / "bin" / "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                  "--no-binary", "selectolax", "--dest", folder, LEXBOR_ARCHIVE], "fetching lexbor")
        with tarfile.open(next(folder.glob("selectolax-*.tar.gz"))) as archive:
            for member in archive.getmembers():
                if not (folder / member.name).resolve().is_relative_to(folder.resolve()):
                    raise Failure(f"{LEXBOR_ARCHIVE}: holds {member.name}, which leads outside")
                if member.isfile() and "/lexbor/" in member.name:
                    archive.extract(member, folder)
        source = next(folder.glob("selectolax-*/lexbor"))
        for command in (["cmake", "-S", source, "-B", folder / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                         "-DCMAKE_POSITION_INDEPENDENT_CODE=ON", "-DLEXBOR_BUILD_SHARED=OFF"],
                        ["cmake", "--build", folder / "build", "--target", "lexbor_static", "--parallel", job_count()]):
            result = capture(command)
            if result.returncode != 0:
                raise Failure(f"building lexbor failed:\n{result.stdout}{result.stderr}")
        shutil.rmtree(LEXBOR, ignore_errors=True)
        shutil.copytree(source / "source", LEXBOR / "include", ignore=shutil.ignore_patterns("*.c"))
        (LEXBOR / "lib").mkdir()
        shutil.copy(folder / "build" / "liblexbor_static.a", LEXBOR / "lib")
        for terms in ("LICENSE", "NOTICE"):
            shutil.copy(source / terms, LEXBOR)
    stamp.write_text(LEXBOR_ARCHIVE, encoding="utf-8")


# What the Python module is written with (docs/decisions/0085-python-module.md): headers and CMake files alone.
NANOBIND = BUILD / "deps" / "nanobind"
NANOBIND_WHEEL = "nanobind==3.1.0"


def ensure_nanobind() -> None:
    """Puts nanobind's sources under build/deps, once. Fails where the index cannot be reached."""
    stamp = NANOBIND / "wheel.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == NANOBIND_WHEEL:
        return
    say("Fetching nanobind's wheel")
    with tempfile.TemporaryDirectory() as name:
        must_run(["/usr/bin/python3", "-m", "venv", Path(name, "venv")], "making an environment with pip")
        must_run([Path(name, "venv", "bin", "pip"), "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                  "--retries", "1", "--dest", Path(name, "wheels"), NANOBIND_WHEEL], "fetching nanobind")
        shutil.rmtree(NANOBIND, ignore_errors=True)
        for wheel in Path(name, "wheels").glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(NANOBIND)
    stamp.write_text(NANOBIND_WHEEL, encoding="utf-8")


def unpack_wheels(wheels: list, target: Path) -> None:
    """The data files of the wheels (lib, include), as pip would install them under a prefix."""
    shutil.rmtree(target, ignore_errors=True)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                _, found, path = member.filename.partition(".data/data/")
                if not found or member.is_dir() or path.endswith((".so", ".so.3.2")):  # copies of libdnnl.so.3
                    continue
                file = target / path
                if not file.resolve().is_relative_to(target.resolve()):
                    raise Failure(f"{wheel.name}: holds {member.filename}, which leads outside")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(member))
