"""What a person does in an open notebook, with real key events, and what the editor holds."""

from __future__ import annotations

import json
import time
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page

from .notebooks import Notebook
from .servers import JupyterServer
from .waiting import wait_until

PANEL = """
const panel = [...window.jupyterapp.shell.widgets('main')]
  .find(w => w.context && w.context.path === path && w.content && w.content.widgets);
"""
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden)"
OPEN_S = 60


class OpenNotebook:
    """One notebook in one tab."""

    def __init__(self, page: Page, server: JupyterServer, path: str) -> None:
        self.page, self.server, self.path = page, server, path

    def js(self, body: str, argument: Any = None) -> Any:
        """Run `body` in the page, where `panel` is this notebook's and `arg` is `argument`; its value."""
        script = f"async ([path, arg]) => {{ {PANEL} {body} }}"
        return self.page.evaluate(script, [self.path, argument])

    def wait_until_open(self) -> OpenNotebook:
        """Its content is there and the first cells can be typed in."""
        self.page.wait_for_function(
            f"path => {{ if (!window.jupyterapp) return false; {PANEL}"
            " return Boolean(panel && panel.context.isReady && panel.content.widgets.length); }",
            arg=self.path,
            timeout=OPEN_S * 1000,
        )
        self.page.wait_for_selector(f"{SHOWN} .jp-Cell", timeout=OPEN_S * 1000)
        return self

    def wait_for_kernel(self) -> OpenNotebook:
        """The kernel has told its language, so that it changes the notebook's metadata no more."""
        self.page.wait_for_function(
            f"path => {{ {PANEL} const kernel = panel.sessionContext.session?.kernel;"
            " return kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle'; }",
            arg=self.path,
            timeout=OPEN_S * 1000,
        )
        self.js("await panel.sessionContext.session.kernel.info; await new Promise(r => setTimeout(r, 0));")
        return self

    # What the editor holds.

    def content(self) -> Notebook:
        # As JSON text: Playwright would turn `undefined` into null, which JSON leaves out.
        notebook: Notebook = json.loads(self.js("return JSON.stringify(panel.content.model.sharedModel.toJSON());"))
        return notebook

    def source(self, index: int) -> str:
        return str(self.js("return panel.content.model.cells.get(arg).sharedModel.getSource();", index))

    def is_dirty(self) -> bool:
        return bool(self.js("return panel.context.model.dirty;"))

    # What a person does.

    def editor(self, index: int) -> Locator:
        """The text field of a cell, scrolled to (long notebooks draw only what is seen)."""
        self.js("await panel.content.scrollToItem(arg);", index)
        cell = f"{SHOWN} .jp-Cell[data-windowed-list-index='{index}']"
        return self.page.locator(f"{cell} .cm-content").first

    def focus(self, index: int) -> None:
        """Put the cursor at the end of a cell; a rendered Markdown cell is opened first."""
        if self.js("return panel.content.widgets[arg].rendered === true;", index):
            self.select(index)
            self.page.keyboard.press("Enter")
        else:
            self.editor(index).click()
        self.page.keyboard.press("Control+End")

    def select(self, index: int) -> None:
        """Make it the active cell, in command mode."""
        self.js(
            "panel.content.activeCellIndex = arg; panel.content.deselectAll(); panel.content.mode = 'command';"
            "await panel.content.scrollToItem(arg); panel.content.activate();",
            index,
        )
        wait_until(
            lambda: self.js("return panel.content.activeCellIndex === arg && panel.content.mode === 'command'", index),
            "command mode",
        )

    def type(self, text: str, delay_ms: float = 10) -> None:
        """Key by key, where the cursor is."""
        self.page.keyboard.type(text, delay=delay_ms)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type_in(self, index: int, text: str) -> None:
        self.focus(index)
        self.type(text)

    def edit_in_many_ways(self) -> None:
        """Text, a new cell, one deleted, one moved, copies, an undo, another cell type."""
        self.type_in(2, "\nalpha = 1  # naïve 😀")
        self.press("Escape", "b", "Enter")
        self.type("beta = alpha + 1\nprint(beta)")
        self.press("Escape", "a", "m", "Enter")
        self.type("## A heading that was typed")
        self.press("Escape", "c", "v", "v", "z")
        self.select(8)
        self.press("d", "d")
        self.select(5)
        self.press("x", "ArrowDown", "v")
        self.type_in(0, "\n\nlast words")

    def run(self, index: int) -> None:
        """Ctrl+Enter, and wait for the kernel to finish."""
        self.editor(index).click()
        self.page.keyboard.press("Control+Enter")
        wait_until(
            lambda: self.js(
                "const c = panel.content.widgets[arg]; return c.model.executionCount !== null"
                " && c.model.executionState !== 'running' && panel.sessionContext.session?.kernel?.status === 'idle';",
                index,
            ),
            f"cell {index} to have run",
        )

    def save(self) -> None:
        """Ctrl+S; returns when Jupyter says that the file is written."""
        self.page.keyboard.press("Escape")
        self.js(
            "window.saveEnded = new Promise(done => panel.context.saveState.connect(function end(_, state) {"
            " if (state !== 'started') { panel.context.saveState.disconnect(end); done(state); } }));"
        )
        self.page.keyboard.press("Control+s")
        assert self.page.evaluate("window.saveEnded") == "completed"

    def reload(self) -> OpenNotebook:
        """F5."""
        self.page.reload()
        return self.wait_until_open()

    # What Indelible says.

    def indicator(self) -> str:
        """Its words, for example "Autosaved: 15:32 Protected"."""
        parts = self.page.locator(".jp-Indelible-status").first
        return " ".join(parts.locator(f".jp-Indelible-status{part}").inner_text() for part in ("File", "Protection"))

    def wait_for_indicator(self, words: str, within_s: float = 15) -> str:
        """Until it says `words` somewhere; all that it then says."""
        wait_until(lambda: words in self.indicator_or_nothing(), f"the indicator to say {words!r}", within_s)
        return self.indicator()

    def indicator_or_nothing(self) -> str:
        is_there = self.page.locator(".jp-Indelible-status").first.is_visible()
        return self.indicator() if is_there else "(no indicator)"

    def wait_until_protected(self, within_s: float = 30) -> None:
        """Everything is on the server's disk, as far as the page says."""
        self.wait_for_indicator("Protected", within_s)

    def notice(self, within_s: float = 10) -> Locator:
        """The bar above the notebook that tells what came back."""
        bar = self.page.locator(".jp-Indelible-notice")
        bar.first.wait_for(timeout=within_s * 1000)
        assert bar.count() == 1, bar.all_inner_texts()
        return bar.first

    def has_notice(self) -> bool:
        return self.page.locator(".jp-Indelible-notice").count() > 0

    def dialogs(self) -> list[str]:
        """Texts of the modal dialogs on the screen."""
        return self.page.locator(".jp-Dialog").all_inner_texts()


def open_notebook(context: BrowserContext, server: JupyterServer, path: str, port: int | None = None) -> OpenNotebook:
    """In the browser's first tab; `port` of a cable in between."""
    page = context.pages[0] if context.pages else context.new_page()
    return open_in(page, server, path, port)


def open_in(page: Page, server: JupyterServer, path: str, port: int | None = None) -> OpenNotebook:
    page.goto(server.page_url(path, port))
    return OpenNotebook(page, server, path).wait_until_open()


def quarter_second() -> None:
    """Not a wait for something to happen: the promise itself, after which nothing typed may be lost."""
    time.sleep(0.25)
