"""Real Jupyter servers for the benchmarks: started as a user starts them, stopped by pid."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers; `started_after_s` is how long that took from the start of the process."""

    pid: int
    url: str
    token: str
    root: Path
    started_after_s: float

    def get(self, path: str) -> object:
        """GET `path` of its API, as JSON."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def cpu_s(self) -> float:
        """Processor seconds used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def bytes_to_disk(self) -> int:
        """Bytes that the process caused to be sent to the block device so far."""
        for line in Path(f"/proc/{self.pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        return 0


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def jupyter(
    app: str = "lab", *, indelible: bool = True, collaboration: Path | None = None, options: tuple[str, ...] = ()
) -> Iterator[Running]:
    """Start `jupyter APP` in folders of its own, with Indelible or (all else equal) without it.

    `collaboration` is the folder of a jupyter-collaboration (tools/install-rtc) that is to be active too.
    """
    with tempfile.TemporaryDirectory(prefix="indelible-bench-") as folder:
        home = Path(folder)
        root = home / "root"
        root.mkdir()
        port, token = free_port(), secrets.token_hex(16)
        config = home / "config"
        (config / "labconfig").mkdir(parents=True)
        if not indelible:
            (config / "labconfig" / "page_config.json").write_text(
                json.dumps({"disabledExtensions": {"indelible": True}})
            )
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(config),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "IPYTHONDIR": str(home / "ipython"),
        }
        extensions = {"indelible": indelible}
        if collaboration is not None:
            environment |= {
                "PYTHONPATH": str(collaboration),
                "JUPYTER_PATH": str(collaboration / "share" / "jupyter"),
            }
            extensions |= {"jupyter_server_ydoc": True, "jupyter_server_fileid": True}
        (config / "jupyter_server_config.json").write_text(
            json.dumps({"ServerApp": {"jpserver_extensions": extensions}})
        )
        began = time.monotonic()
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable, "-m", "jupyter", app, "--no-browser", "--allow-root", "--ip=127.0.0.1",
                    f"--port={port}", f"--ServerApp.root_dir={root}", f"--IdentityProvider.token={token}",
                    "--ServerApp.port_retries=0", "--LabApp.expose_app_in_browser=True",
                    "--JupyterNotebookApp.expose_app_in_browser=True",
                    "--ServerApp.disable_check_xsrf=True", *options,
                ],
                env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        running = Running(pid=process.pid, url=f"http://127.0.0.1:{port}/", token=token, root=root, started_after_s=0)
        try:
            while True:
                try:
                    running.get("api")
                    break
                except (urllib.error.URLError, ConnectionError):
                    if process.poll() is not None or time.monotonic() - began > 60:
                        raise RuntimeError((home / "log").read_text()[-2000:]) from None
                    time.sleep(0.02)
            yield Running(
                pid=process.pid, url=running.url, token=token, root=root, started_after_s=time.monotonic() - began
            )
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
