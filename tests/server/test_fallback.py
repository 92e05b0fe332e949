"""A server part that does not work says so, and Jupyter goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer

import indelible
from indelible import config
from indelible.notebook import wire
from indelible.server import fallback
from indelible.service import Service

from .conftest import Fetch, refused

BROKEN = {"apsw": "undefined symbol: sqlite3_open_v2"}


@pytest.fixture
def broken_apsw(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next import of the server part needs apsw, and fails."""
    for name in list(sys.modules):
        if name.startswith("indelible.") and name != "indelible._version":
            monkeypatch.delitem(sys.modules, name)
            if name.count(".") == 1:
                # The package's attribute comes back afterwards, too.
                monkeypatch.delattr(indelible, name.split(".")[1])
    for name in [one for one in sys.modules if one.split(".")[0] == "apsw"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Blocker(), *sys.meta_path])


class Blocker:
    """Finds apsw, and cannot load it."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name in BROKEN:
            raise ImportError(BROKEN[name], name=name)


async def hello(jp_fetch: Fetch) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((await jp_fetch("indelible", "api", "hello")).body)
    return answer


def assert_says(answer: dict[str, Any], *words: str) -> None:
    (problem,) = answer["problems"]
    assert problem["code"] == "server_part_broken"
    is_setting = "TraitError" in words
    assert ("Correct the setting" if is_setting else "pip install --force-reinstall indelible") in problem["hint"]
    for word in words:
        assert word in problem["message"]
    assert answer["store"] == ""
    assert answer["journal"] is True


def with_settings(**intervals: int | str) -> dict[str, Any]:
    """A server's configuration with `c.<name>.autosave_interval` set."""
    own = {name: {"autosave_interval": value} for name, value in intervals.items()}
    return {"ServerApp": {"jpserver_extensions": {"indelible": True}}, **own}


@pytest.mark.usefixtures("broken_apsw")
class TestADependencyThatIsBroken:
    async def test_hello_tells_the_cause(self, jp_serverapp: Any, jp_fetch: Fetch) -> None:
        answer = await hello(jp_fetch)
        assert_says(answer, "ImportError", BROKEN["apsw"])
        assert answer["autosave_interval_ms"] == 60_000

    async def test_nobody_is_told_without_a_token(self, jp_serverapp: Any, jp_fetch: Fetch) -> None:
        status, _ = await refused(jp_fetch("indelible", "api", "hello", headers={"Authorization": ""}))
        assert status in (401, 403)

    async def test_nobody_is_told_without_authorization(
        self, jp_serverapp: Any, jp_fetch: Fetch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Nobody(Authorizer):
            def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
                return False

        monkeypatch.setitem(jp_serverapp.web_app.settings, "authorizer", Nobody(parent=jp_serverapp))
        status, _ = await refused(jp_fetch("indelible", "api", "hello"))
        assert status == 403

    def test_the_log_has_it_once_with_the_traceback(
        self, jp_configurable_serverapp: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        jp_configurable_serverapp()
        said = capfd.readouterr().err
        assert said.count("Indelible's server part could not be loaded") == 1
        assert said.count("Traceback") == 1
        assert f"ImportError: {BROKEN['apsw']}" in said

    @pytest.mark.parametrize(
        ("jp_server_config", "expected"),
        [
            (with_settings(Indelible=1500, NotebookApp=7), 1500),
            (with_settings(NotebookApp="2500"), 2500),
            (with_settings(Indelible=0), 0),
            (with_settings(Indelible=-1), 60_000),
            (with_settings(Indelible="soon"), 60_000),
        ],
    )
    async def test_timed_saves_keep_their_interval(self, jp_serverapp: Any, jp_fetch: Fetch, expected: int) -> None:
        assert (await hello(jp_fetch))["autosave_interval_ms"] == expected

    async def test_jupyter_reads_and_writes_notebooks(self, jp_serverapp: Any, jp_fetch: Fetch) -> None:
        body = json.dumps({"type": "file", "format": "text", "content": "kept"})
        assert (await jp_fetch("api", "contents", "a.txt", method="PUT", body=body)).code == 201


@pytest.fixture
def broken_start(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The service cannot start; what was done about it."""
    done: list[str] = []

    def start(self: Service) -> None:
        raise RuntimeError("the moon is full")

    monkeypatch.setattr(Service, "start", start)
    monkeypatch.setattr(Service, "close", lambda self: done.append("closed"))
    return done


async def test_a_service_that_cannot_start_tells_the_cause_and_is_closed(
    broken_start: list[str], jp_serverapp: Any, jp_fetch: Fetch
) -> None:
    assert_says(await hello(jp_fetch), "RuntimeError", "the moon is full")
    assert broken_start == ["closed"]
    assert "indelible_service" not in jp_serverapp.web_app.settings
    status, _ = await refused(jp_fetch("indelible", "api", "status"))
    assert status == 404


@pytest.mark.parametrize("jp_server_config", [with_settings(Indelible="soon")])
async def test_a_setting_of_the_wrong_type_tells_the_cause(jp_serverapp: Any, jp_fetch: Fetch) -> None:
    assert_says(await hello(jp_fetch), "TraitError", "autosave_interval", "soon")


@pytest.mark.parametrize("section", ["Indelible", "NotebookApp"])
def test_a_negative_interval_is_said_and_the_default_used(
    jp_configurable_serverapp: Any, capfd: pytest.CaptureFixture[str], section: str
) -> None:
    app = jp_configurable_serverapp(config=with_settings(**{section: -1}))
    assert app.web_app.settings["indelible_service"].settings.autosave_interval_ms == 60_000
    said = [line for line in capfd.readouterr().err.splitlines() if "is not understood" in line]
    assert len(said) == 1
    assert f"c.{section}.autosave_interval = -1" in said[0]
    assert f"for example c.{section}.autosave_interval = 60000" in said[0]


def test_the_fallback_says_what_the_rest_does() -> None:
    assert fallback.PROTOCOL == wire.PROTOCOL
    assert fallback.AUTOSAVE_INTERVAL_MS == config.AUTOSAVE_INTERVAL_MS


def test_the_fallback_needs_nothing_else_of_indelible() -> None:
    code = "import sys, indelible.server.fallback; print(*(m for m in sys.modules if m.startswith('indelible')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {
        "indelible",
        "indelible._version",
        "indelible.server",
        "indelible.server.fallback",
    }


def test_notebook_shim_is_taught_also_when_the_rest_is_broken(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['apsw'] = None\n"
        "import indelible; (point,) = indelible._jupyter_server_extension_points()\n"
        "from notebook_shim.traits import NotebookAppTraits\n"
        "print(point['module'], 'autosave_interval' in NotebookAppTraits.class_traits())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == ["indelible.server.fallback", "True"]
