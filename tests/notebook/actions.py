"""What a user and a kernel may do to a page, at random: each action takes the page and a source of chance."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random

from .page import Page
from .pagecell import Json, PageCell, PageOutput, PageText, js_length, units

Action = Callable[[Page, Random], None]

FRAGMENTS = [
    "x", " ", "\n", "\r\n", "\r", "import numpy as np\n", "数据分析", "é", "😀", "👩‍💻", "\ud83d", "\ude00",
    "\udfff\ud800", "\x00", "\u2028", "", "😀" * 50, "line\n" * 300, "a\tb",
]  # fmt: skip
PNG = "iVBORw0KGgoAAAANSUhEUgAAAbAAAAEgCAYAAADVKCZpAAAAOXRFWHRTb2Z0d2FyZQBN"


def some_text(chance: Random) -> str:
    text = "".join(chance.choices(FRAGMENTS, k=chance.randrange(6)))
    return units(text).decode("utf-16-le", "surrogatepass")


def long_text(chance: Random) -> str:
    unit = chance.choice([PNG, "数据,", "😀", "a line of text\n", "progress\r", "line\r\n"])
    return some_text(chance) + unit * chance.randrange(200, 3_000) + f"{chance.random()}\n"


def a_cell(page: Page, chance: Random) -> PageCell | None:
    return chance.choice(page.cells) if page.cells else None


def a_code_cell(page: Page, chance: Random) -> PageCell | None:
    cells = [cell for cell in page.cells if cell.cell_type == "code"]
    return chance.choice(cells) if cells else None


def new_cell(page: Page, chance: Random, cell_type: str | None = None) -> PageCell:
    kind = cell_type or chance.choice(["code", "code", "markdown", "raw"])
    return PageCell(page.take_key(), kind, f"id-{chance.randrange(10**6)}", PageText(some_text(chance)))


def type_text(page: Page, chance: Random) -> None:
    cell = a_cell(page, chance)
    if cell is None:
        return
    position = chance.randrange(js_length(cell.source.text) + 1)
    for _ in range(chance.randrange(1, 8)):
        inserted = some_text(chance)[:20]
        length = js_length(cell.source.text)
        position = min(position, length)
        deleted = min(chance.choice([0, 0, 0, 1, 3]), length - position)
        cell.source.splice(position, deleted, inserted)
        position += chance.choice([js_length(inserted), 0, -1])
        position = max(position, 0)
    cell.dirty.add("source")


def type_on(page: Page, chance: Random) -> None:
    """Steady typing and backspacing, as most edits are."""
    cell = a_cell(page, chance)
    if cell is None:
        return
    position = js_length(cell.source.text)
    for letter in chance.choices("def f(x):\b\b", k=12):
        if letter != "\b":
            cell.source.splice(position, 0, letter)
            position += 1
        elif position:
            position -= 1
            cell.source.splice(position, 1, "")
    cell.dirty.add("source")


def paste_big(page: Page, chance: Random) -> None:
    cell = a_cell(page, chance)
    if cell is not None:
        cell.source.splice(chance.randrange(js_length(cell.source.text) + 1), 0, long_text(chance))
        cell.dirty.add("source")


def set_source(page: Page, chance: Random) -> None:
    cell = a_cell(page, chance)
    if cell is not None:
        cell.source.replace(some_text(chance))
        cell.dirty.add("source")


def ten_thousand_lines(page: Page, chance: Random) -> None:
    cell = a_cell(page, chance)
    if cell is not None:
        cell.source.replace("".join(f"value_{index} = {chance.random()}\n" for index in range(10_000)))
        cell.dirty.add("source")


def add_cell(page: Page, chance: Random) -> None:
    page.insert(chance.randrange(len(page.cells) + 1), new_cell(page, chance))


def delete_cell(page: Page, chance: Random) -> None:
    if page.cells:
        del page.cells[chance.randrange(len(page.cells))]
        page.is_order_dirty = True


def duplicate(cell: PageCell, page: Page) -> PageCell:
    """A copy with the same cell id, as paste and undo make them: a new cell to the shared model."""
    twin = copy.deepcopy(cell)
    twin.key, twin.is_trust_known = page.take_key(), False
    twin.source.rev = None
    for output in twin.outputs:
        if output.stream is not None:
            output.stream.rev = None
    return twin


def paste_cells(page: Page, chance: Random) -> None:
    for cell in chance.sample(page.cells, min(len(page.cells), chance.randrange(3))):
        page.insert(chance.randrange(len(page.cells) + 1), duplicate(cell, page))


def cut_and_undo(page: Page, chance: Random) -> None:
    if page.cells:
        index = chance.randrange(len(page.cells))
        page.insert(index, duplicate(page.cells.pop(index), page))


def move_cell(page: Page, chance: Random) -> None:
    if page.cells:
        cell = page.cells.pop(chance.randrange(len(page.cells)))
        page.cells.insert(chance.randrange(len(page.cells) + 1), cell)
        page.is_order_dirty = True


def change_type(page: Page, chance: Random) -> None:
    if page.cells:
        index = chance.randrange(len(page.cells))
        old = page.cells.pop(index)
        twin = new_cell(page, chance)
        twin.id, twin.source = old.id, PageText(old.source.text)
        page.insert(index, twin)


def an_output(chance: Random) -> PageOutput:
    kind = chance.randrange(6)
    if kind == 0:
        text = chance.choice([some_text, long_text])(chance)
        return PageOutput({"output_type": "stream", "name": chance.choice(["stdout", "stderr"])}, PageText(text))
    if kind == 1:
        traceback = [some_text(chance), long_text(chance)]
        return PageOutput({"output_type": "error", "ename": "E", "evalue": some_text(chance), "traceback": traceback})
    data: Json = {"text/plain": some_text(chance)}
    if kind == 2:
        data["image/png"] = PNG * chance.randrange(1, 2_000)
    if kind == 3:
        data["text/html"] = long_text(chance)
    if kind == 4:
        data["application/json"] = {"rows": [[1, 2.5, None, True], {"long": long_text(chance), "null": None}]}
    output: Json = {
        "output_type": "display_data",
        "data": data,
        "metadata": {"needs": {"": some_text(chance)}},
    }
    if kind == 5:
        output["output_type"], output["execution_count"] = "execute_result", chance.randrange(100)
    return PageOutput(output)


def run_cell(page: Page, chance: Random) -> None:
    cell = a_code_cell(page, chance)
    if cell is None:
        return
    cell.truncate(0)
    cell.execution_count = chance.choice([None, chance.randrange(1_000)])
    cell.trusted = True
    cell.dirty.add("head")
    for index in range(chance.randrange(5)):
        cell.put(index, an_output(chance))


def add_output(page: Page, chance: Random) -> None:
    cell = a_code_cell(page, chance)
    if cell is not None:
        cell.put(len(cell.outputs), an_output(chance))


def update_display(page: Page, chance: Random) -> None:
    cell = a_code_cell(page, chance)
    if cell is not None and cell.outputs:
        cell.put(chance.randrange(len(cell.outputs)), an_output(chance))


def clear_outputs(page: Page, chance: Random) -> None:
    cell = a_code_cell(page, chance)
    if cell is not None:
        cell.truncate(chance.randrange(len(cell.outputs) + 1))


def stream_on(page: Page, chance: Random) -> None:
    """Text appended to a stream, or overwritten in its last line as a progress bar does."""
    for cell in page.cells:
        for index, output in enumerate(cell.outputs):
            if output.stream is None or chance.random() < 0.3:
                continue
            length = js_length(output.stream.text)
            back = min(length, chance.choice([0, 0, 5]))
            output.stream.splice(length - back, back, chance.choice([some_text, long_text])(chance))
            cell.dirty.add("outputs")
            cell.dirty_outputs.add(index)


def five_thousand_outputs(page: Page, chance: Random) -> None:
    cell = a_code_cell(page, chance)
    if cell is None:
        return
    cell.truncate(0)
    for index in range(5_000):
        data = {"text/plain": f"{index}"}
        cell.put(index, PageOutput({"output_type": "display_data", "data": data, "metadata": {}}))


def set_attachments(page: Page, chance: Random) -> None:
    cells = [cell for cell in page.cells if cell.cell_type != "code"]
    if cells:
        cell = chance.choice(cells)
        images = {"图.png": {"image/png": PNG * chance.randrange(1, 500)}, "empty": {}}
        cell.attachments = chance.choice([None, images])
        cell.dirty.add("attachments")


def set_cell_metadata(page: Page, chance: Random) -> None:
    cell = a_cell(page, chance)
    if cell is not None:
        cell.metadata = chance.choice([{}, {"tags": ["a", some_text(chance)]}, {"deep": [[{"w": long_text(chance)}]]}])
        cell.dirty.add("metadata")


def set_notebook_metadata(page: Page, chance: Random) -> None:
    widgets = {"state": {str(index): {"value": long_text(chance)} for index in range(2)}}
    page.metadata = chance.choice([{}, {"title": some_text(chance)}, {"widgets": widgets, "x": 1.0}])
    page.is_meta_dirty = True


def distrust(page: Page, chance: Random) -> None:
    cell = a_code_cell(page, chance)
    if cell is not None:
        cell.trusted = not cell.trusted
        cell.dirty.add("head")


def resync(page: Page, chance: Random) -> None:
    page.must_reset = True


ACTIONS: list[Action] = [
    type_text, type_on, paste_big, set_source, add_cell, delete_cell, paste_cells, cut_and_undo, move_cell,
    change_type, run_cell, add_output, update_display, clear_outputs, stream_on, set_attachments,
    set_cell_metadata, set_notebook_metadata, distrust, resync,
]  # fmt: skip
LARGE_ACTIONS: list[Action] = [ten_thousand_lines, five_thousand_outputs]
