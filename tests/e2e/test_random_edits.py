"""Whatever is done in the page, the draft on the server is what the editor holds, exactly."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from .notebooks import Notebook, differences, modern, real_notebook, write
from .pages import OpenNotebook, open_notebook
from .servers import JupyterServer
from .waiting import wait_until

WORDS = ["x = 1", "naïve", "数据", "😀👩‍👩‍👧", "(a, [b", "\t", '"""', "# " + "long " * 40, "\n", "\nfor i in x:\n"]
ODD = ["a\r\nb\rc", "lone \ud800 surrogate", "\u2028 \u0000", "line\n" * 10_000, "z" * 70_000]
Action = Callable[[OpenNotebook, random.Random], None]


def pick(book: OpenNotebook, by: random.Random) -> int:
    return by.randrange(int(book.js("return panel.content.model.cells.length;")))


def type_text(book: OpenNotebook, by: random.Random) -> None:
    book.focus(pick(book, by))
    for _ in range(by.randrange(6)):
        book.press(by.choice(["ArrowUp", "ArrowLeft", "Home", "Control+ArrowLeft"]))
    book.page.keyboard.type(by.choice(WORDS))
    if by.random() < 0.3:
        book.press("Backspace", "Control+Backspace")


def cut_undo_paste(book: OpenNotebook, by: random.Random) -> None:
    """Makes cells with the same id."""
    book.select(pick(book, by))
    book.press("x", "z", "v")


def keys(*pressed: str) -> Action:
    """In command mode, on some cell."""

    def act(book: OpenNotebook, by: random.Random) -> None:
        book.select(pick(book, by))
        book.press(*pressed)

    return act


def in_spite_of_the_editor(change: str) -> str:
    """CodeMirror counts CR LF as one, and throws at changes of such a text; the shared model has them all the same."""
    return f"try {{ {change} }} catch (error) {{ if (!(error instanceof RangeError)) throw error; }}"


def set_odd_source(book: OpenNotebook, by: random.Random) -> None:
    """What no keyboard types but a paste or an extension may bring."""
    book.js(
        in_spite_of_the_editor("panel.content.model.sharedModel.cells[arg[0]].setSource(arg[1]);"),
        [pick(book, by), by.choice(ODD)],
    )


def append_to_odd_source(book: OpenNotebook, by: random.Random) -> None:
    book.js(
        in_spite_of_the_editor(
            "const cell = panel.content.model.sharedModel.cells[arg]; const n = cell.getSource().length;"
            "cell.updateSource(n >> 1, n >> 1, 'in the middle');"
        ),
        pick(book, by),
    )


def set_metadata(book: OpenNotebook, by: random.Random) -> None:
    book.js(
        "panel.content.model.sharedModel.cells[arg[0]].setMetadata('tags', [arg[1], {deep: [null, 1.5]}]);",
        [pick(book, by), by.choice(WORDS)],
    )


def set_outputs(book: OpenNotebook, by: random.Random) -> None:
    """Many small outputs, or a huge one, as a kernel's messages add them."""
    book.js(
        """
        const code = panel.content.widgets.find(w => w.model.type === 'code');
        if (!code) return;
        const { outputs } = code.model;
        const [kind, size] = arg;
        if (kind === 0) outputs.clear();
        else if (kind === 1)
          for (let n = 0; n < 500; n++)
            outputs.add({ output_type: 'display_data', data: { 'text/plain': `output ${n}` }, metadata: {} });
        else if (kind === 2)
          for (let n = 0; n < 50; n++)
            outputs.add({ output_type: 'stream', name: n % 7 ? 'stdout' : 'stderr', text: `line ${n}\\n` });
        else {
          const data = { 'image/png': 'iVBORw0KGgo'.repeat(size) };
          outputs.add({ output_type: 'display_data', data, metadata: {} });
        }
        """,
        [by.randrange(4), by.randrange(1, 40_000)],
    )


ACTIONS: list[tuple[int, Action]] = [
    (6, type_text),
    (2, keys("b")),
    (1, keys("a")),
    (2, keys("d", "d")),
    (1, keys("m")),
    (1, keys("y")),
    (1, keys("c", "v")),
    (1, keys("Shift+ArrowDown", "Shift+m")),
    (1, keys("Control+Shift+ArrowUp")),
    (2, keys("z")),
    (1, keys("Shift+z")),
    (2, cut_undo_paste),
    (2, set_odd_source),
    (1, append_to_odd_source),
    (1, set_metadata),
    (2, set_outputs),
]


@pytest.mark.parametrize(("app", "seed"), [("lab", 1), ("notebook", 2)], indirect=["app"])
def test_random_edits(calm_server: JupyterServer, context: BrowserContext, seed: int) -> None:
    by = random.Random(f"{seed} {calm_server.app}")
    name = f"random {seed}.ipynb"
    write(calm_server.root / name, modern(real_notebook(cells=12)))
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    done: list[str] = []
    for _ in range(6):
        for action in by.choices([one for _, one in ACTIONS], [weight for weight, _ in ACTIONS], k=6):
            done.append(getattr(action, "__name__", "keys"))
            action(book, by)
        book.wait_until_protected()
        differing = differences(book.content(), draft_of(calm_server, name))
        assert not differing, (done, differing[:10])


def draft_of(server: JupyterServer, name: str) -> Notebook:
    [draft] = wait_until(lambda: server.drafts(name), "a draft")
    content: Notebook = server.get(f"indelible/api/drafts/{draft['wc']}")["content"]
    return content
