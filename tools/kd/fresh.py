"""./kd fresh: a newcomer's first hour in a bare Debian 12, step by step, with the time of each."""

import argparse
import json
import os
import re
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from kd import packages
from kd.shell import ROOT, SHARED, Failure, Stopwatch, capture, must_run, run, say

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOME = "root"  # the newcomer's home in the bare system
# How the host reaches the package registries; a bare system made on it must reach them in the same way.
NETWORK_VARIABLES = re.compile(r"(?i)^(https?_proxy|no_proxy|all_proxy|PIP_.*|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|"
                               r"CURL_CA_BUNDLE)$")
NETWORK_FILES = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates",
                 "etc/pip.conf", "etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/keyrings",
                 "etc/apt/auth.conf.d", "etc/apt/trusted.gpg.d")


def add_arguments(parser) -> None:
    parser.add_argument("--folder", default="", help="where to make the system (default: a new temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the system there for a look")
    parser.add_argument("--no-test", action="store_true", help="stop after the first chat")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)


def run_fresh(options) -> int:
    """Runs itself again in its own mount and process namespaces: whatever happens, no mount and no server stays."""
    if os.geteuid() != 0:
        raise Failure("a bare system needs root: sudo ./kd fresh")
    packages.ensure_packages("fresh")
    if options.inside:
        return prove(Path(options.folder), options)
    folder = Path(options.folder) if options.folder else Path(tempfile.mkdtemp(prefix="kedge-fresh-"))
    arguments = ["--inside", "--folder", folder] + (["--no-test"] if options.no_test else [])
    try:
        return run(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", ROOT / "kd",
                    "fresh", *arguments])
    finally:
        if options.keep:
            say(f"The system is in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def prove(root: Path, options) -> int:
    port = free_port()
    steps = [
        ("bare Debian 12 (debootstrap)", lambda: bootstrap(root)),
        ("the host's network settings", lambda: copy_network(root)),
        ("clone", lambda: clone(root)),
        ("./kd up", lambda: inside(root, f"./kd up --port {port}")),
        ("one chat", lambda: chat(root, port)),
        ("./kd up again", lambda: inside(root, f"./kd up --port {port}")),
        ("./kd down", lambda: inside(root, "./kd down")),
    ]
    if not options.no_test:
        steps.append(("./kd test", lambda: inside(root, "./kd test")))
    times = []
    for name, step in steps:
        say(f"\n##### {name}")
        watch = Stopwatch()
        step()
        times.append((name, str(watch)))
    say("")
    for name, seconds in times:
        say(f"{name:32} {seconds:>12}")
    return 0


def bootstrap(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise Failure(f"{root} is not empty")
    must_run(["debootstrap", "--variant=minbase", SUITE, root, mirror()], "debootstrap", stdout=sys.stderr)
    for kind, source, target in (("proc", "proc", "proc"), ("sysfs", "sys", "sys"), ("tmpfs", "tmp", "tmp")):
        must_run(["mount", "-t", kind, source, root / target], f"mounting {target}")
    must_run(["mount", "--rbind", "/dev", root / "dev"], "mounting dev")
    must_run(["mount", "-t", "tmpfs", "shm", root / "dev" / "shm"], "mounting dev/shm")


def mirror() -> str:
    """The Debian mirror that the host itself uses."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for file in sources:
        if file.is_file() and file.suffix in (".list", ".sources"):
            for match in re.finditer(r"^(?:URIs:|deb(?:\s+\[.*?\])?)\s+(https?://\S+)", file.read_text(), re.MULTILINE):
                if match[1].rstrip("/").endswith("/debian"):
                    return match[1]
    return MIRROR


def copy_network(root: Path) -> None:
    for name in NETWORK_FILES:
        source, target = Path("/", name), root / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    if any((root / "etc/apt/sources.list.d").glob("*.sources")):
        (root / "etc/apt/sources.list").unlink(missing_ok=True)
    acquire = [line for line in capture(["apt-config", "dump"]).stdout.splitlines() if re.match(
        r"Acquire::(https?::|Check-|Retries)", line)]
    (root / "etc/apt/apt.conf.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/apt/apt.conf.d/90host").write_text("\n".join([*acquire, ""]), encoding="utf-8")
    pip = Path.home() / ".config" / "pip" / "pip.conf"
    if pip.is_file():
        (root / HOME / ".config/pip").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pip, root / HOME / ".config/pip/pip.conf")


def clone(root: Path) -> None:
    """The committed state alone, with the reference data beside it where the host has it."""
    must_run(["git", "clone", "--quiet", "--no-local", ROOT, root / HOME / "kedge"], "git clone")
    if SHARED.is_dir():
        (root / HOME / "shared").mkdir()
        must_run(["mount", "--bind", "-o", "ro", SHARED, root / HOME / "shared"], "mounting the reference data")


def inside(root: Path, command: str) -> None:
    must_run([*enter(root), command], command)


def enter(root: Path) -> list:
    """A login shell of the bare system, with nothing of the host's environment but the way to the registries."""
    variables = [f"{name}={value}" for name, value in os.environ.items() if NETWORK_VARIABLES.match(name)]
    return ["env", "-i", f"HOME=/{HOME}", "LANG=C.UTF-8", f"PATH={SEARCH_PATH}", *variables,
            "chroot", root, "sh", "-euc", f"cd /{HOME}/kedge; exec sh -euc \"$1\"", "sh"]


def chat(root: Path, port: int) -> None:
    """One question through the API, with the curl that ./kd up installed."""
    messages = [{"role": "user", "content": "Tell me a story."}]
    body = json.dumps({"model": "demo", "max_tokens": 24, "messages": messages})
    answer = capture([*enter(root), f"curl -sS --fail-with-body http://127.0.0.1:{port}/v1/chat/completions "
                                    f"-H 'Content-Type: application/json' -d '{body}'"])
    try:
        text = json.loads(answer.stdout)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError):
        raise Failure(f"the chat failed: {answer.stdout} {answer.stderr}") from None
    if not text.strip():
        raise Failure("the chat's answer is empty")
    say(text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
