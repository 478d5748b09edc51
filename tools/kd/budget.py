"""The code-health budget of ./kd lint: how long a function, a file and a folder's README may be, and what may print."""

import ast
import re
from pathlib import Path

from kd.shell import ROOT, say, tracked_files

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
COLUMNS_MAX = 120
README_LINES_MAX = 20
PUBLIC_HEADERS_MAX = 12
PUBLIC_LINES_MAX = 2000
CODE = ("*.cc", "*.h", "*.py", "*.ts", "*.js", "*.css", "*.html", "*.sh", "*.cmake", "kd")

# Below cli nothing prints, exits or reads the environment: a library's caller decides on all three.
CALLERS_BUSINESS = re.compile(r"\b(?:std::)?(getenv|secure_getenv|setenv|printf|puts|putchar|exit|_exit|quick_exit)"
                              r"\s*\(|\bstd::(cout|cerr|clog)\b")
TOKENS = re.compile(
    r'(?P<comment>//(?:[^\n\\]|\\.)*|/\*.*?\*/)'
    r'|(?P<raw>\b(?:u8|[uUL])?R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)")'
    r'|(?P<string>"(?:[^"\\\n]|\\.)*")'
    r"|(?P<char>(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+')"
    r'|(?P<directive>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)',
    re.DOTALL | re.MULTILINE)


def run(_options) -> int:
    problems = check(ROOT, tracked_files(*CODE), tracked_files("src/*README.md"))
    for problem in problems:
        say(problem)
    say(f"budget: {len(problems)} violations")
    return 1 if problems else 0


def check(root: Path, files: list, readmes: list) -> list:
    """Every violation, one line each."""
    problems = []
    for file in files:
        name, text = str(file.relative_to(root)), file.read_text(encoding="utf-8", errors="replace")
        problems += too_long(name, text, FILE_LINES_MAX)
        if file.suffix == ".py" and "corpus" not in file.parts:  # clang-format sees to C++; a corpus is text, not code
            problems += [f"{name}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"
                         for number, line in enumerate(text.splitlines(), 1) if len(line) > COLUMNS_MAX]
        problems += [f"{name}:{line}: {function} has {lines} lines, at most {FUNCTION_LINES_MAX}"
                     for function, line, lines in functions_of(file, text) if lines > FUNCTION_LINES_MAX]
        if is_library(name):
            problems += [f"{name}:{line}: {word} below cli; return it or a Status to the caller"
                         for line, word in callers_business(text)]
    for file in readmes:
        problems += too_long(str(file.relative_to(root)), file.read_text(encoding="utf-8"), README_LINES_MAX)
    return problems + public_headers(root)


def too_long(name: str, text: str, lines_max: int) -> list:
    lines = text.count("\n")
    return [f"{name}: {lines} lines, at most {lines_max}"] if lines > lines_max else []


def public_headers(root: Path) -> list:
    headers = sorted((root / "include" / "kedge").glob("*.h"))
    lines = sum(file.read_text(encoding="utf-8").count("\n") for file in headers)
    problems = []
    if len(headers) > PUBLIC_HEADERS_MAX:
        problems.append(f"include/kedge: {len(headers)} headers, at most {PUBLIC_HEADERS_MAX}")
    if lines > PUBLIC_LINES_MAX:
        problems.append(f"include/kedge: {lines} lines, at most {PUBLIC_LINES_MAX}")
    return problems


def is_library(name: str) -> bool:
    return name.startswith(("src/", "include/")) and not name.startswith("src/cli/") and not re.search(
        r"_(test|fuzz|bench)\.cc$|_test_\w+\.(h|cc)$|test_support", name)


def callers_business(text: str) -> list:
    code = blank(text)
    return [(code.count("\n", 0, match.start()) + 1, match[1] or match[2]) for match in CALLERS_BUSINESS.finditer(code)]


def functions_of(file: Path, text: str) -> list:
    """(name, first line, line count) of every function, signature and closing brace included."""
    if file.suffix in (".cc", ".h"):
        return cpp_functions(text)
    if file.suffix == ".py":
        return [(node.name, node.lineno, node.end_lineno - node.lineno + 1) for node in ast.walk(ast.parse(text))
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return []


def blank(text: str) -> str:
    """The text with comments, strings, characters and directives blanked, every line kept."""

    def replace(match):
        body = match[0]
        keep = '"' if match["raw"] or match["string"] else ""
        return keep + "\n" * body.count("\n") + keep

    return TOKENS.sub(replace, text)


def cpp_functions(text: str) -> list:
    """Finds function bodies by their braces: a body is a brace after a parameter list, outside of any other body."""
    code = blank(text)
    functions, header_start, depth = [], 0, 0  # depth: of braces inside the innermost body or initialiser
    opening = None  # the body that is open: (name, first line), or () for an initialiser
    for match in re.finditer(r"[{};]|\b(?:public|private|protected)\s*:", code):
        mark, at = match[0][0], match.start()
        if opening is not None:
            depth += {"{": 1, "}": -1}.get(mark, 0)
            if depth == 0:
                if opening:
                    name, line = opening
                    functions.append((name, line, code.count("\n", 0, at) + 2 - line))
                if opening or not is_member_list(code[header_start:at]):
                    header_start = at + 1
                opening = None
            continue
        if mark != "{":
            header_start = match.end()
            continue
        header = code[header_start:at]
        kind = brace_kind(header)
        if kind == "scope":
            header_start = at + 1
            continue
        depth = 1
        opening = ()
        if kind == "function":
            first = header_start + len(header) - len(header.lstrip())
            opening = (function_name(header), code.count("\n", 0, first) + 1)
    return functions


def brace_kind(header: str) -> str:
    """What a brace at namespace or class level opens: a scope, a function or an initialiser."""
    bare = strip_template(header.strip())
    if re.match(r'(inline\s+)?namespace\b|extern\s*""\s*$', bare) or not bare:
        return "scope"
    is_type = re.match(r"(typedef\s+)?(class|struct|union|enum)\b", bare)
    if is_type and not re.search(r"\)\s*(const|noexcept)?\s*$", bare):
        return "scope"
    if "(" not in bare or bare.endswith("="):
        return "initialiser"
    if is_member_list(bare) and re.search(r"[\w>]$", bare) and not bare.endswith("}"):
        return "initialiser"
    return "function"


def is_member_list(header: str) -> bool:
    """Whether a constructor's member list has begun: a single colon after the parameters."""
    flat = re.sub(r"::", "", header)
    return re.search(r"\)\s*(noexcept\s*)?:", flat) is not None


def strip_template(header: str) -> str:
    """The header without leading template<...> clauses and attributes."""
    while True:
        match = re.match(r"template\s*<", header)
        if match:
            depth, at = 1, match.end()
            while depth and at < len(header):
                depth += {"<": 1, ">": -1}.get(header[at], 0)
                at += 1
            header = header[at:].lstrip()
            continue
        match = re.match(r"\[\[.*?\]\]\s*", header)
        if not match:
            return header
        header = header[match.end():]


def function_name(header: str) -> str:
    match = re.search(r"([\w:~]+|operator\s*\S+)\s*\(", strip_template(header.strip()))
    if match and match[1] in ("TEST", "TEST_F", "TEST_P", "TYPED_TEST"):
        return "test " + re.sub(r"\s+", "", header[header.index("(") + 1:header.rindex(")")]).replace(",", ".")
    return match[1] if match else header.strip()[:40]
