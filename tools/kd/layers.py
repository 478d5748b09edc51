"""./kd layers: who may include whom (src/layers.txt), and no include cycle between folders or headers."""

import re
from pathlib import Path

from kd.shell import ROOT, Failure, say

SUFFIXES = (".h", ".cc", ".inc")
INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')
PUBLIC = "kedge"  # include/kedge: every folder may use it; it may use only itself


def run(_options) -> int:
    problems = check(ROOT)
    for problem in problems:
        say(problem)
    say(f"layers: {len(problems)} violations")
    return 1 if problems else 0


def check(root: Path) -> list:
    """Every violation under root, one line each."""
    allowed, problems = read_layers(root / "src" / "layers.txt")
    includes = list(find_includes(root))
    problems += forbidden_includes(includes, allowed)
    problems += unlisted_folders(root, allowed)
    problems += [f"include cycle between folders: {cycle}" for cycle in cycles(folder_edges(includes))]
    problems += [f"include cycle between files: {cycle}" for cycle in cycles(file_edges(root, includes))]
    return problems


def read_layers(path: Path) -> tuple:
    """({folder: folders it may include}, problems). A folder may use only those listed above it."""
    if not path.is_file():
        raise Failure(f"{path} is missing")
    allowed, problems = {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        folder, _, rest = line.partition("#")[0].partition(":")
        folder, uses = folder.strip(), rest.split()
        if not folder:
            continue
        problems += [f"src/layers.txt:{number}: {folder} uses {use}, which is not listed above it"
                     for use in uses if use not in allowed]
        allowed[folder] = set(uses)
    return allowed, problems


def find_includes(root: Path):
    """Yields (file relative to root, line number, included name) of every quoted include."""
    for base in ("src", "include", "python"):
        for file in sorted((root / base).rglob("*")):
            if file.suffix not in SUFFIXES or not file.is_file():
                continue
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            for number, line in enumerate(lines, 1):
                match = INCLUDE.match(line)
                if match:
                    yield file.relative_to(root), number, match[1]


def layer_of(file: Path) -> str:
    """The top folder: src/cpu/isa/avx2/x.cc is in cpu, include/kedge/x.h in kedge, python/module/x.h in python."""
    return file.parts[0] if file.parts[0] == "python" else file.parts[1]


def forbidden_includes(includes: list, allowed: dict) -> list:
    problems = []
    for file, number, name in includes:
        mine, theirs = layer_of(file), name.split("/")[0]
        where = f"{file}:{number}"
        if ".." in name.split("/"):
            problems.append(f"{where}: \"{name}\" climbs folders; write it relative to src/")
        elif "/" not in name:
            problems.append(f"{where}: \"{name}\" has no folder; write it relative to src/: \"{mine}/{name}\"")
        elif mine == PUBLIC and theirs != PUBLIC:
            problems.append(f"{where}: a public header must not include {theirs} ({name})")
        elif theirs in allowed and theirs != mine and theirs not in allowed.get(mine, set()):
            problems.append(f"{where}: {mine} must not include {theirs} ({name})")
    return problems


def unlisted_folders(root: Path, allowed: dict) -> list:
    folders = {layer_of(file.relative_to(root)) for file in (root / "src").rglob("*.cc")}
    return [f"src/{folder}: not in src/layers.txt; add it with the folders that it may include"
            for folder in sorted(folders - set(allowed))]


def folder_edges(includes: list) -> dict:
    edges = {}
    for file, _, name in includes:
        mine, theirs = layer_of(file), name.split("/")[0]
        if mine != theirs and "/" in name:
            edges.setdefault(mine, set()).add(theirs)
    return edges


def file_edges(root: Path, includes: list) -> dict:
    edges = {}
    for file, _, name in includes:
        base = "include/" if name.startswith(PUBLIC + "/") else "" if name.startswith("python/") else "src/"
        target = base + name
        if (root / target).is_file():
            edges.setdefault(str(file), set()).add(target)
    return edges


def cycles(edges: dict) -> list:
    """One line for each strongly connected group of more than one node (Tarjan 1972), or that includes itself."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for target in sorted(edges.get(node, ())):
            if target not in order:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], order[target])
        if low[node] == order[node]:
            group = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(group) > 1 or node in edges.get(node, ()):
                found.append(" -> ".join([*group, node]))

    for node in sorted(edges):
        if node not in order:
            visit(node)
    return found
