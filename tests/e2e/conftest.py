"""Servers, browsers and the cable between them. Everything a test starts ends with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Browser as SharedBrowser
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from .browsers import ARGUMENTS, CHROMIUM, SIZE, Browser
from .proxy import Cable
from .servers import App, JupyterServer

HERE = Path(__file__).parent
NewServer = Callable[..., JupyterServer]
NewBrowser = Callable[..., Browser]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            # Real browsers and kernels on a shared machine stand still for seconds now and then. A second try is
            # reported as such; what fails twice is a defect.
            item.add_marker(pytest.mark.flaky(reruns=1))
    # Last: what fails quickly is heard of early, and Playwright's event loop is nobody else's.
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(params=["lab", "notebook"])
def app(request: pytest.FixtureRequest) -> App:
    """Each test that asks for it runs in JupyterLab and in Notebook 7."""
    return cast(App, request.param)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for what the test starts, below /tmp since sockets' paths are short."""
    folder = Path(tempfile.mkdtemp(prefix="indelible-e2e-"))
    yield folder
    if os.environ.get("INDELIBLE_E2E_KEEP"):
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_server(home: Path) -> Iterator[NewServer]:
    """Make servers; they are stopped after the test."""
    made: list[JupyterServer] = []

    def make(app: App, *options: str, **more: dict[str, str]) -> JupyterServer:
        made.append(JupyterServer(home / f"server-{len(made)}", app, *options, **more))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def server(new_server: NewServer, app: App) -> JupyterServer:
    """A server of this test's own, which it may kill."""
    return new_server(app).start()


@pytest.fixture
def new_browser(playwright: Playwright, home: Path) -> Iterator[NewBrowser]:
    """Make browsers with an empty profile each; they are closed after the test."""
    made: list[Browser] = []

    def make(locale: str = "en-US") -> Browser:
        made.append(Browser(playwright, home / f"profile-{len(made)}", locale))
        return made[-1]

    yield make
    for browser in made:
        browser.close()


@pytest.fixture
def browser(new_browser: NewBrowser) -> Browser:
    """A browser of this test's own, which it may kill."""
    return new_browser()


@pytest.fixture
def cable(server: JupyterServer) -> Iterator[Cable]:
    cable = Cable(server.port)
    yield cable
    cable.cut()


@pytest.fixture(scope="session")
def shared_browser(playwright: Playwright) -> Iterator[SharedBrowser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, chromium_sandbox=False)
    yield browser
    browser.close()


@pytest.fixture
def context(shared_browser: SharedBrowser) -> Iterator[BrowserContext]:
    """A fresh profile in a browser that other tests use too: for tests that kill no browser."""
    context = shared_browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, locale="en-US")
    yield context
    context.close()


@pytest.fixture(scope="session")
def calm_servers() -> Iterator[Callable[[App], JupyterServer]]:
    """Servers that many tests use: for tests that neither kill nor configure theirs. Use a file name of your own."""
    home = Path(tempfile.mkdtemp(prefix="indelible-e2e-"))
    started: dict[App, JupyterServer] = {}

    def ask(app: App) -> JupyterServer:
        if app not in started:
            started[app] = JupyterServer(home / app, app)
            started[app].start()
        return started[app]

    yield ask
    for server in started.values():
        server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def calm_server(calm_servers: Callable[[App], JupyterServer], app: App) -> JupyterServer:
    return calm_servers(app)


@pytest.fixture
def lab_server(calm_servers: Callable[[App], JupyterServer]) -> JupyterServer:
    """For what only JupyterLab has."""
    return calm_servers("lab")
