"""The Python module as a wheel: ./kd python, and the build backend that pyproject.toml names (pip install .)."""

import base64
import hashlib
import json
import os
import re
import sys
import zipfile
from pathlib import Path

from kd import build, packages
from kd.shell import BUILD, ROOT, Failure, capture, relative, say

SOURCES = ROOT / "python" / "kedge"
BUILT = BUILD / "release" / "python" / "kedge"
PLUGINS = "libkedge_*.so"  # Parquet: with the pyarrow that is installed beside it


def run_python(_options) -> int:
    packages.ensure_packages("build", "python")
    say(f"{relative(make_wheel(BUILD / 'python'))} is built; pip installs it")
    return 0


def make_wheel(folder: Path) -> Path:
    """Builds the module and puts it into a wheel for this machine's Python."""
    packages.ensure_nanobind()
    build.build("release", ["kedge_python"])
    modules = sorted(BUILT.glob("_kedge.*.so"))
    if not modules:
        raise Failure("the build made no Python module; is python3-dev installed?")
    files = {f"kedge/{file.relative_to(SOURCES)}": file.read_bytes() for file in sorted(SOURCES.rglob("*"))
             if file.suffix in (".py", ".pyi", ".typed")}
    files[f"kedge/{modules[0].name}"] = modules[0].read_bytes()
    files.update({f"kedge/{file.name}": file.read_bytes() for file in sorted((BUILD / "release").glob(PLUGINS))})
    files["kedge/curate/__init__.pyi"] = stub_of(operators()).encode()
    version = re.search(r"project\(kedge VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
    python = re.search(r"\.cpython-(\d+)-", modules[0].name)[1]
    tag = f"cp{python}-cp{python}-linux_{os.uname().machine}"
    information = f"kedge-{version}.dist-info"
    files[f"{information}/METADATA"] = metadata(version, python).encode()
    files[f"{information}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: kd\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{information}/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"kedge-{version}-{tag}.whl"
    write_wheel(wheel, files, f"{information}/RECORD")
    return wheel


def metadata(version: str, python: str) -> str:
    minor = f"{python[0]}.{python[1:]}"
    return (f"Metadata-Version: 2.1\nName: kedge\nVersion: {version}\nSummary: Documents for language models: filter, "
            f"deduplicate, redact and extract Arrow tables\nLicense: Apache-2.0\nRequires-Python: =={minor}.*\n"
            "Provides-Extra: arrow\nRequires-Dist: pyarrow; extra == 'arrow'\n"
            "Provides-Extra: ray\nRequires-Dist: ray[data]; extra == 'ray'\n")


def write_wheel(wheel: Path, files: dict, record: str) -> None:
    """The same bytes for the same files."""
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    files[record] = ("".join(lines) + f"{record},,\n").encode()
    temporary = wheel.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    temporary.replace(wheel)


def operators() -> list:
    """What the module that was built says of its operators."""
    told = capture(["/usr/bin/python3", "-c", "import kedge._kedge as k; print(k.describe_operators())"],
                   env={**os.environ, "PYTHONPATH": str(BUILT.parent)})
    if told.returncode != 0:
        raise Failure(f"the module that was built cannot be imported: {told.stderr.strip()}")
    return json.loads(told.stdout)


def stub_of(registry: list) -> str:
    """Type hints of kedge.curate: the part that is written by hand, and a class for each operator."""
    lines = [(SOURCES / "curate" / "stub.txt").read_text(encoding="utf-8")]
    for operator in registry:
        title = "".join(word.capitalize() for word in operator["name"].replace("-", "_").split("_"))
        options = "".join(f"{option['name']}: {hint_of(option['default'])} = ..., " for option in operator["options"])
        lines += [f"class {title}(Operator):", f'    """{operator["summary"]}"""', "",
                  f"    def __init__(self, *, {options}fields: Optional[Mapping[str, str]] = None, threads: int = 0)"
                  " -> None: ...", ""]
    return "\n".join(lines)


def hint_of(default: str) -> str:
    if default in ("true", "false"):
        return "bool"
    return "float" if re.fullmatch(r"-?\d+(\.\d+)?", default) else "Any"


# The hooks of PEP 517. Nothing is installed here: what a build needs is named instead.
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None) -> str:
    missing = packages.missing_packages(["build", "python"])
    if missing:
        raise Failure("these Debian packages are missing; apt-get install them: " + " ".join(missing))
    wheel = make_wheel(Path(wheel_directory))
    if f"-cp{sys.version_info[0]}{sys.version_info[1]}-" not in wheel.name:
        raise Failure(f"{wheel.name} is for /usr/bin/python3; found {sys.executable} {sys.version.split()[0]}")
    return wheel.name


def build_sdist(sdist_directory, config_settings=None) -> str:
    raise Failure("kedge is built from its repository: pip install . there")
