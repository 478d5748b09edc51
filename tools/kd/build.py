"""Configure and build by preset (CMakePresets.json)."""

import hashlib
import os

from kd import packages
from kd.shell import BUILD, ROOT, Failure, capture, job_count, must_run


def configure(preset: str) -> None:
    """Runs CMake when the preset is new here or the presets changed, or an optional part came; Ninja sees the rest."""
    packages.ensure_onednn()
    packages.ensure_lexbor()
    folder = BUILD / preset
    optional = [packages.ONEDNN.is_dir(), packages.NANOBIND.is_dir()]
    known = (ROOT / "CMakePresets.json").read_bytes() + str(optional).encode()
    digest = hashlib.sha256(known).hexdigest()
    stamp = folder / "presets.sha256"
    if (folder / "build.ninja").is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    result = capture(["cmake", "--preset", preset])
    if result.returncode != 0:
        raise Failure(f"configuring {preset} failed:\n{result.stdout}{result.stderr}")
    stamp.write_text(digest, encoding="utf-8")


def build(preset: str, targets: list = ()) -> None:
    """Builds the targets, or everything."""
    configure(preset)
    command = ["cmake", "--build", BUILD / preset, "--parallel", job_count()]
    # Where ccache is in use, every clone of the repository shares what one of them compiled.
    environment = {**os.environ, "CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "true"}
    must_run(command + (["--target", *targets] if targets else []), f"building {preset}", env=environment)
