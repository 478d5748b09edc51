"""./kd up and ./kd down: the built server in the background, on loopback."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from kd import build, packages
from kd.shell import BUILD, ROOT, STATE, Failure, Stopwatch, relative, say

HOST = "127.0.0.1"
READY_SECONDS_MAX = 300
STATE_FILE = STATE / "server.json"
LOG_FILE = STATE / "server.log"


def add_arguments(parser) -> None:
    parser.add_argument("model", nargs="*", help="checkpoint folders or .gguf files; none: the built-in demo")
    parser.add_argument("--port", type=int, default=8080)


def up(options) -> int:
    watch = Stopwatch()
    packages.ensure_packages("build")
    build.build("release", ["kedge"])
    binary = BUILD / "release" / "kedge"
    models = [str(Path(model).resolve()) if Path(model).exists() else model for model in options.model]
    command = [str(binary), "serve", *models, "--host", HOST, "--port", str(options.port)]
    wanted = {"command": command, "binary": fingerprint(binary)}

    state = read_state()
    if state is not None and is_running(state):
        if {key: state[key] for key in wanted} == wanted and is_ready(options.port):
            announce(options.port, watch, "Already running")
            return 0
        stop(state)
    refuse_taken_port(options.port)
    start(command, wanted)
    wait_until_ready(options.port)
    announce(options.port, watch, "Ready")
    return 0


def down(_options) -> int:
    state = read_state()
    if state is None or not is_running(state):
        say("No server is running.")
    else:
        stop(state)
        say("Stopped.")
    STATE_FILE.unlink(missing_ok=True)
    return 0


def start(command: list, wanted: dict) -> None:
    STATE.mkdir(exist_ok=True)
    with open(LOG_FILE, "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
    state = dict(wanted, pid=process.pid, started=start_time(process.pid))
    STATE_FILE.write_text(json.dumps(state), encoding="utf-8")


def wait_until_ready(port: int) -> None:
    state = read_state()
    watch = Stopwatch()
    while not is_ready(port):
        if not is_running(state):
            raise Failure(f"kedge serve ended before it was ready; its log ({relative(LOG_FILE)}) says:\n{log_tail()}")
        if watch.seconds() > READY_SECONDS_MAX:
            raise Failure(f"kedge serve is not ready after {READY_SECONDS_MAX} s; its log is {relative(LOG_FILE)}")
        time.sleep(0.05)


def announce(port: int, watch: Stopwatch, word: str) -> None:
    address = f"http://{HOST}:{port}"
    model = first_model(port)
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "Tell me a story."}]})
    say(f"\n{word} after {watch}: {model}\n\n  page   {address}/\n  API    {address}/v1  (OpenAI's; no key)\n"
        f"  log    {relative(LOG_FILE)}\n\n  curl -N {address}/v1/chat/completions -H 'Content-Type: application/json' "
        f"\\\n    -d '{body}'\n\nStop it with ./kd down.")


def first_model(port: int) -> str:
    with urllib.request.urlopen(f"http://{HOST}:{port}/v1/models", timeout=5) as answer:
        return json.load(answer)["data"][0]["id"]


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/v1/health/ready", timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def fingerprint(binary: Path) -> list:
    status = binary.stat()
    return [status.st_mtime_ns, status.st_size]


def read_state():
    try:
        return json.loads(STATE_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def start_time(pid: int):
    """The kernel's start time of a process: together with the pid it names one process for ever."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def is_running(state: dict) -> bool:
    started = start_time(state["pid"])
    return started is not None and started == state["started"]


def stop(state: dict) -> None:
    """SIGTERM lets running requests finish; SIGKILL ends a server that does not."""
    os.kill(state["pid"], signal.SIGTERM)
    watch = Stopwatch()
    while is_running(state):
        if watch.seconds() > 15:
            os.kill(state["pid"], signal.SIGKILL)
        time.sleep(0.02)


def refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise Failure(f"port {port} on {HOST} is taken by {holder_of(port)}, not by a server of ./kd up; "
                          f"stop that program or choose another port: ./kd up --port {port + 1}") from None


def holder_of(port: int) -> str:
    """The program that listens on a port, as far as this user may see."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            continue
        inodes |= {fields[9] for fields in map(str.split, lines)
                   if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return f"process {link.parts[2]} ({Path('/proc', link.parts[2], 'comm').read_text().strip()})"
    return "another program"


def log_tail() -> str:
    return "\n".join(LOG_FILE.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
