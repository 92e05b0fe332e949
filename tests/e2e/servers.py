"""Real Jupyter servers, started as a user starts them, killed as a machine kills them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from .waiting import wait_until

App = Literal["lab", "notebook"]
JUPYTER = Path(sys.executable).parent / "jupyter"


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class JupyterServer:
    """One server with folders of its own below `home`. It keeps its port and token when it is started again."""

    def __init__(self, home: Path, app: App, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.home, self.app, self.options = home, app, options
        self.root, self.config, self.log = home / "root", home / "config", home / "log"
        self.store = home / "data" / "indelible"
        self.port, self.token = free_port(), secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self.port}/"
        self.process: subprocess.Popen[bytes] | None = None
        for folder in (self.root, self.config):
            folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
            "HOME": str(home),
            "PATH": f"{JUPYTER.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "JUPYTER_CONFIG_DIR": str(self.config),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "IPYTHONDIR": str(home / "ipython"),
            **(environment or {}),
        }
        # Nothing that asks the world for news, or the user for an opinion.
        self.configure("labconfig/page_config.json", disabledExtensions={
            "@jupyterlab/apputils-extension:announcements": True,
        })  # fmt: skip

    def configure(self, name: str, **content: Any) -> None:
        """Write a JSON file below the server's config folder."""
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run `jupyter ARGUMENTS` with this server's folders; what it printed."""
        done = subprocess.run(
            [JUPYTER, *arguments], env=self.environment, cwd=self.root, text=True, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def start(self) -> JupyterServer:
        """Start it and return when it answers."""
        arguments = [
            str(JUPYTER), self.app, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={self.port}",
            "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.root}",
            f"--IdentityProvider.token={self.token}", "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True", *self.options,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                arguments, env=self.environment, cwd=self.home, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self.is_up, f"{self.app} on port {self.port} ({self.log})", within_s=60)
        return self

    def is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the server ended: {self.log.read_text()[-3000:]}"
        with suppress(OSError, urllib.error.URLError):
            self.get("api/status")
            return True
        return False

    def get(self, path: str) -> Any:
        """GET `path`, as JSON."""
        return self._ask(path)

    def post(self, path: str, body: Any) -> Any:
        """POST `body` to `path`, as JSON."""
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path, data=body,
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def drafts(self, path: str) -> list[dict[str, Any]]:
        """What Indelible has of this notebook that is not in its file."""
        answer = self.get("indelible/api/drafts?path=" + urllib.parse.quote(path))
        return list(answer["drafts"])

    def kill(self) -> None:
        """SIGKILL, and nothing is told to anybody. Its kernels notice by themselves that it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl+C twice."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def page_url(self, path: str, port: int | None = None) -> str:
        """Where a browser opens the notebook; `port` of a proxy in between."""
        # A workspace for each notebook: JupyterLab would restore all that other tests had open.
        workspace = "".join(letter for letter in path if letter.isalnum())
        where = {"lab": f"lab/workspaces/{workspace}/tree/", "notebook": "notebooks/"}[self.app]
        return f"http://127.0.0.1:{port or self.port}/{where}{urllib.parse.quote(path)}?token={self.token}"
