"""Build the front end into the package: only when its sources have changed, by content."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NOT_SOURCE = {"node_modules", "lib", ".yarn"}


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and contents of the front end's sources."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if NOT_SOURCE & set(relative.parts) or not path.is_file() or path.suffix == ".tsbuildinfo":
            continue
        digest.update(str(relative).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build(root: Path) -> bool:
    """Make src/indelible/labextension from ui/. Returns False when it was up to date already."""
    ui, output = root / "ui", root / "src" / "indelible" / "labextension"
    stamp, wanted = output / ".built-from", fingerprint(ui)
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    # jlpm and jupyter-builder look for `node` and for each other on PATH: put this interpreter's scripts first.
    scripts = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": scripts}
    for command in (["install", "--immutable"], ["build:prod"]):
        jlpm = [sys.executable, "-c", "from jupyter_builder.jlpm import main; main()", *command]
        subprocess.run(jlpm, cwd=ui, env=environment, check=True)
    stamp.write_text(wanted)
    return True


class FrontEnd(BuildHookInterface[Any]):
    """Runs before a wheel or an sdist is packed, also for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if (Path(self.root) / "ui" / "package.json").is_file():
            build(Path(self.root))


if __name__ == "__main__":
    print("built" if build(Path(__file__).parent) else "up to date")
