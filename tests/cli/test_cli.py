"""The command line as a user runs it: a process of its own, no server in sight."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from indelible.notebook.nbjson import read_notebook
from tests.crash.appender import WC, texts
from tests.store.test_store import killed, with_draft


def indelible(*words: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"JUPYTER_RUNTIME_DIR": str(home / "runtime"), "JUPYTER_DATA_DIR": str(home / "data"), "PATH": ""}
    command = [sys.executable, "-m", "indelible.cli.main", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's folder; its store holds a draft of n.ipynb that a dead server left."""
    (tmp_path / "data").mkdir()
    killed(with_draft(tmp_path / "data" / "indelible"))
    return tmp_path


def sources(notebook: Any) -> list[str]:
    return [cell["source"] for cell in notebook["cells"]]


def test_a_draft_is_listed_and_written_without_any_server(home: Path) -> None:
    listed = indelible("recover", "--list", "--json", home=home)
    assert listed.returncode == 0, listed.stderr
    [one] = json.loads(listed.stdout)
    assert (one["wc"], one["path"], one["state"], one["server"]) == (WC, "n.ipynb", "away", None)
    out = home / "out.ipynb"
    done = indelible("recover", "n.ipynb", "-o", out, home=home)
    assert done.returncode == 0, done.stderr
    assert sources(read_notebook(out.read_bytes())) == list(texts(3))
    again = indelible("recover", home / "n.ipynb", home=home)
    assert again.stdout == out.read_text()


def test_an_existing_file_is_replaced_only_when_asked(home: Path) -> None:
    out = home / "out.ipynb"
    out.write_text("mine")
    refused = indelible("recover", "n.ipynb", "-o", out, home=home)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert out.read_text() == "mine"
    assert indelible("recover", "n.ipynb", "-o", out, "--force", home=home).returncode == 0
    assert sources(read_notebook(out.read_bytes())) == list(texts(3))
    assert sorted(path.name for path in home.iterdir()) == ["data", "out.ipynb"]


def test_what_is_not_there_is_said_with_an_exit_code(home: Path) -> None:
    assert indelible("recover", "other.ipynb", home=home).returncode == 1
    assert indelible("recover", home=home).returncode == 2
    assert indelible("recover", "--list", "--store", home / "nowhere", home=home).returncode == 1


def test_status_tells_of_drafts_that_no_server_holds(home: Path) -> None:
    status = indelible("status", "--json", home=home)
    assert status.returncode == 0, status.stderr
    report = json.loads(status.stdout)
    assert [one["wc"] for one in report["waiting"]] == [WC]
    assert report["servers"] == report["errors"] == []
    assert "n.ipynb" in indelible("status", home=home).stdout
    assert indelible("status", "--store", home / "nowhere", home=home).returncode == 1


def test_a_damaged_store_is_an_error_and_not_an_empty_list(home: Path) -> None:
    [journal] = (home / "data" / "indelible" / "journals").glob("*.db")
    journal.write_bytes(b"\xff" * 8192)
    broken = indelible("recover", "--list", home=home)
    assert broken.returncode == 4
    assert "store_damaged" in broken.stderr
    assert indelible("status", home=home).returncode == 4
