"""Client messages: what is accepted becomes values, and what is not is refused with the field's name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.errors import IndelibleError, Malformed, TooLarge
from indelible.model import UNSET, CellKey, Chunk, Edit, Head, Opening, Saved, Splice, Text, TextChange, Value
from indelible.notebook import wire
from indelible.notebook.messages import Closed, Have, Hello, Message, Ping, Renamed, Upload, address
from indelible.notebook.wire import parse, parse_batch, parse_upload
from indelible.notebook.wirejson import edit_to_json, opening_to_json, saved_to_json, text_to_json

WC, SHA = "0" * 31 + "a", "b" * 64
BLOB = bytes.fromhex(SHA)
CELL: dict[str, Any] = {
    "key": 91,
    "head": {"cell_type": "code", "id": "ab12", "execution_count": 3, "trusted": True},
    "source": {"splices": [[3, 1, "x"]], "of": 7, "len": 20, "rev": 8},
    "metadata": {"json": {"tags": ["a"]}},
    "attachments": None,
    "outputs": {
        "len": 3,
        "set": [
            [
                0,
                {
                    "json": {"output_type": "stream", "text": None},
                    "long": [[["text"], {"text": "a", "rev": 1}]],
                },
            ],
            [2, {"patch": [[["text"], {"splices": [[1, 0, "b"]], "of": 2, "len": 2, "rev": 9}]]}],
        ],
    },
}
EDIT: dict[str, Any] = {
    "t": "edit", "wc": WC, "epoch": 1, "seq": 17, "at": 1_764_000_000_000, "order": [[0, 57], [91, 1]],
    "meta": {"json": {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}}, "cells": [CELL],
}  # fmt: skip
OPEN = {
    "t": "open",
    "wc": WC,
    "epoch": 2,
    "path": "a/数据.ipynb",
    "base": SHA,
    "cells": 57,
    "seq": 0,
    "mode": "full",
}
SAVED = {"t": "saved", "wc": WC, "epoch": 1, "seq": 17, "hash": SHA, "order": [[0, 2], [5, 1]], "cells": 3}
WHOLE_CELL = {
    "key": 0,
    "head": CELL["head"],
    "source": "",
    "metadata": {"json": {}},
    "outputs": {"len": 0, "set": []},
}
RESET = {**EDIT, "reset": True, "order": [[0, 1]], "cells": [WHOLE_CELL]}


def take(message: Any) -> Message:
    return parse(json.dumps(message), tab=WC)


def changed(message: Any, path: str, value: Any) -> Any:
    """A copy with one field replaced; `path` is dotted."""
    copy = json.loads(json.dumps(message))
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    node = copy
    for step in steps:
        node = node[step]
    node[last] = value
    return copy


def test_an_edit_becomes_a_value_and_goes_back_to_the_same_json() -> None:
    edit = take(EDIT)
    assert isinstance(edit, Edit)
    assert (edit.seq, edit.order, edit.reset) == (17, ((0, 57), (91, 1)), False)
    cell = edit.cells[0]
    assert cell.head == Head(cell_type="code", id="ab12", execution_count=3, trusted=True)
    assert cell.source == TextChange(splices=(Splice(3, 1, "x"),), of=7, length=20, rev=8)
    assert cell.attachments is None
    assert edit_to_json(edit) == EDIT


def test_parts_that_an_edit_does_not_mention_are_unset() -> None:
    edit = take({**EDIT, "order": [[1, 1]], "cells": [{"key": 1}]})
    assert isinstance(edit, Edit)
    cell = edit.cells[0]
    assert {cell.head, cell.source, cell.metadata, cell.attachments, cell.outputs} == {UNSET}
    bare = take({name: EDIT[name] for name in ("t", "wc", "epoch", "seq", "at")})
    assert isinstance(bare, Edit)
    assert (bare.order, bare.meta, bare.cells) == (UNSET, UNSET, ())


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("plain \ud83d", Text(origin="plain \ud83d")),
        ({"text": "😀", "rev": 0}, Text(origin="😀", rev=0)),
        ({"chunks": [[SHA, 9]], "rev": 4}, Text(origin=(Chunk(BLOB, 9),), rev=4)),  # type: ignore[arg-type]
        ({"chunks": []}, Text(origin=())),
        (
            {"splices": [], "of": f"base:{SHA}", "len": 0, "rev": 4},
            TextChange(splices=(), of=BLOB, length=0, rev=4),
        ),
    ],
)
def test_every_form_of_a_text_is_read_and_written_alike(form: Any, value: Text | TextChange) -> None:
    edit = take(changed(EDIT, "cells.0.source", form))
    assert isinstance(edit, Edit)
    assert edit.cells[0].source == value
    assert text_to_json(value) == form


def test_halves_of_an_emoji_are_joined_as_json_would() -> None:
    raw = json.dumps(EDIT).replace('"ab12"', '"\\ud83d\\ude00"')
    edit = parse(raw)
    assert isinstance(edit, Edit)
    assert isinstance(edit.cells[0].head, Head)
    assert edit.cells[0].head.id == "😀"


def test_the_other_messages_become_values() -> None:
    assert take({"t": "hello", "protocol": 1, "tab": WC}) == Hello(protocol=1, tab=WC)
    assert take({"t": "have", "id": 3, "hashes": [SHA]}) == Have(id=3, hashes=(BLOB,))  # type: ignore[arg-type]
    assert take({"t": "renamed", "wc": WC, "epoch": 1, "path": "b.ipynb"}) == Renamed(
        working_copy=WC, epoch=1, path="b.ipynb"
    )
    assert take({"t": "closed", "wc": WC, "epoch": 1, "how": "away"}) == Closed(working_copy=WC, epoch=1, how="away")
    assert take({"t": "ping", "n": 0}) == Ping(n=0)
    opening, saved = take(OPEN), take(SAVED)
    assert isinstance(opening, Opening)
    assert opening.tab == WC
    assert opening_to_json(opening) == OPEN
    assert isinstance(saved, Saved)
    assert saved_to_json(saved) == SAVED
    assert (address(saved), address(Ping(n=1))) == ((WC, 17), None)


def test_unknown_fields_are_ignored_but_unknown_messages_are_not() -> None:
    assert take({"t": "ping", "n": 1, "more": [1]}) == Ping(n=1)
    with pytest.raises(Malformed, match="'pong'"):
        take({"t": "pong", "n": 1})


WRONG_INTS = [True, -1, 1.0, "1", None, [], 2**53]
WRONG: list[tuple[Any, str, list[Any]]] = [
    (EDIT, "wc", ["", WC + "0", WC.upper(), 3, WC[:-1] + "\n"]),
    (EDIT, "epoch", [*WRONG_INTS, 0]),
    (EDIT, "seq", [*WRONG_INTS, 0]),
    (EDIT, "at", WRONG_INTS),
    (EDIT, "reset", [1, "true", None]),
    (EDIT, "order", [None, 3, [[0]], [[0, 1, 2]], [[0, 0]], [[0, 2], [1, 1]], [[0, True]], [0]]),
    (EDIT, "meta", [None, {}, {"json": 3}, {"json": {"nbformat": 4, "nbformat_minor": 5}}]),
    (EDIT, "meta.json.nbformat", [True, 3, None]),
    (EDIT, "meta.json.cells", [[]]),
    (EDIT, "cells", [None, {}, [3], [CELL, CELL]]),
    (EDIT, "cells.0.key", WRONG_INTS),
    (EDIT, "cells.0.head", [None, {}, {"cell_type": "heading"}, {"cell_type": []}]),
    (EDIT, "cells.0.head.id", [3, True]),
    (EDIT, "cells.0.head.execution_count", [True, -1, 1.5, "3"]),
    (EDIT, "cells.0.head.trusted", [1, "yes"]),
    (EDIT, "cells.0.source", [None, 3, [], {}, {"text": 3}, {"text": "", "chunks": []}, {"rev": 3}]),
    (EDIT, "cells.0.source.of", [*WRONG_INTS, "base:", "base:" + SHA[:-1], SHA]),
    (EDIT, "cells.0.source.len", [*WRONG_INTS, 3]),
    (EDIT, "cells.0.source.rev", [True, -1, "1"]),
    (EDIT, "cells.0.source.splices", [None, [3], [[0, 0]], [[0, 0, 0]], [[True, 0, ""]], [[0, -1, ""]]]),
    (EDIT, "cells.0.source", [{"chunks": [[SHA, 0]]}, {"chunks": [[SHA.upper(), 1]]}, {"chunks": [SHA]}]),
    (EDIT, "cells.0.metadata", [None, [], {}, {"json": []}, {"json": {}, "long": {}}]),
    (EDIT, "cells.0.metadata.long", [[[[], "x"]], [[["tags", 1], "x"]], [[["tags"], "x"]], [[["no"], "x"]]]),
    (EDIT, "cells.0.attachments", [[], "x"]),
    (EDIT, "cells.0.outputs", [None, [], {"set": []}, {"len": 3, "set": {}}, {"len": 3, "set": [[3, CELL]]}]),
    (EDIT, "cells.0.outputs.len", [*WRONG_INTS, 2]),
    (EDIT, "cells.0.outputs.set.0.0", [*WRONG_INTS, 2]),
    (EDIT, "cells.0.outputs.set.0.1", [None, {}, {"json": "x"}, {"patch": [[["text"], "whole"]]}]),
    (EDIT, "cells.0.outputs.set.0.1.long.0.0", [["text", 0], [True], [-1], [None], "text"]),
    (EDIT, "cells.0.outputs.set.0.1.long.0.1", [{"splices": [], "of": 1, "len": 0}]),
    (OPEN, "path", ["", "a\x00", 3, "../a.ipynb", "a/../../b", "\ud83d"]),
    (OPEN, "base", ["", SHA + "0", 3]),
    (OPEN, "cells", WRONG_INTS),
    (OPEN, "mode", ["", "half", None, []]),
    (SAVED, "cells", [*WRONG_INTS, 4]),
    (SAVED, "hash", ["", 3]),
    (RESET, "cells", [[], [{**WHOLE_CELL, "key": 1}], [WHOLE_CELL, {**WHOLE_CELL, "key": 1}]]),
    (RESET, "cells.0.source", [CELL["source"]]),
    (RESET, "cells.0.outputs", [CELL["outputs"], {"len": 1, "set": []}]),
    ({"t": "ping", "n": 1}, "t", [None, 3, [], {}, "EDIT"]),
    ({"t": "ping", "n": 1}, "n", WRONG_INTS),
    ({"t": "have", "id": 1, "hashes": []}, "hashes", [None, "", [3], [SHA[:-1]]]),
    ({"t": "hello", "protocol": 1, "tab": WC}, "protocol", [*WRONG_INTS, 2]),
    ({"t": "closed", "wc": WC, "epoch": 1, "how": "away"}, "how", ["", None, "later"]),
]


@pytest.mark.parametrize(
    ("message", "path", "value"),
    [(message, path, value) for message, path, values in WRONG for value in values],
)
def test_a_wrong_field_is_refused_by_name(message: Any, path: str, value: Any) -> None:
    with pytest.raises(Malformed) as refusal:
        take(changed(message, path, value))
    names = [step for step in path.split(".") if not step.isdigit()]
    assert any(name in str(refusal.value) for name in [*names, "reset"])


@pytest.mark.parametrize("message", [EDIT, OPEN, SAVED], ids=lambda message: str(message["t"]))
def test_a_missing_field_is_refused_by_name(message: dict[str, Any]) -> None:
    for name in set(message) - {"order", "meta", "cells", "reset"} | ({"cells"} if message is SAVED else set()):
        with pytest.raises(Malformed, match=name):
            take({key: value for key, value in message.items() if key != name})


@pytest.mark.parametrize("missing", ["order", "meta", "cells"])
def test_a_reset_carries_everything(missing: str) -> None:
    assert isinstance(take(RESET), Edit)
    with pytest.raises(Malformed, match="reset"):
        take({key: value for key, value in RESET.items() if key != missing})


@pytest.mark.parametrize(
    "raw",
    [
        "", "{", "[]", "3", "null", '"x"', b"\xff\xfe\xfd", '{"t":"ping","n":NaN}',
        '{"t":"ping","n":-Infinity}',
        '{"t":"ping","n":1,"x":1e999}', '{"t":"ping","n":1,"x":' + "9" * 5_000 + "}",
        "[" * 100_000, '{"t":' * 100_000, "[" * 100_000 + "]" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_message_is_malformed(raw: str | bytes) -> None:
    with pytest.raises(Malformed):
        parse(raw)


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"x": value}
    return value


TOO_LARGE: list[Any] = [
    {**EDIT, "order": [[0, 100_001]]},
    {**EDIT, "order": [[0, 60_000], [70_000, 60_000]]},
    {**OPEN, "cells": 100_001},
    {**OPEN, "path": "a" * 5_000},
    changed(EDIT, "cells.0.metadata.json", nested(300)),
    changed(EDIT, "cells.0.outputs.len", 100_001),
    changed(EDIT, "cells.0.head.id", "i" * 2_000),
    changed(EDIT, "cells.0.source", {"chunks": [[SHA, 65_537]]}),
    changed(EDIT, "cells.0.source.splices", [[0, 0, ""]] * 100_001),
    changed(EDIT, "cells.0.metadata.long", [[["x"] * 300, "x"]]),
    {"t": "have", "id": 1, "hashes": [SHA] * 100_001},
]


@pytest.mark.parametrize("message", TOO_LARGE, ids=range(len(TOO_LARGE)))
def test_what_is_over_a_bound_is_too_large(message: Any) -> None:
    with pytest.raises(TooLarge):
        take(message)


def test_a_message_over_the_bound_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MESSAGE_BYTES", 10)
    with pytest.raises(TooLarge):
        parse("{" * 11)


def test_deep_json_within_the_bound_is_taken() -> None:
    edit = take(changed(EDIT, "cells.0.metadata.json", nested(200)))
    assert isinstance(edit, Edit)
    assert edit.cells[0].metadata == Value(json=nested(200))


def test_a_batch_is_a_tab_and_its_messages() -> None:
    assert parse_batch(json.dumps({"tab": WC, "messages": [{"t": "ping", "n": 1}]})) == (
        WC,
        [{"t": "ping", "n": 1}],
    )
    wrong: list[Any] = [[], {}, {"tab": WC}, {"tab": 3, "messages": []}, {"tab": WC, "messages": {}}]
    for body in wrong:
        with pytest.raises(Malformed):
            parse_batch(json.dumps(body))


def test_a_binary_frame_is_a_name_and_bytes() -> None:
    assert parse_upload(BLOB + b"abc") == Upload(blob=BLOB, content=b"abc")  # type: ignore[arg-type]
    refused: list[tuple[bytes, type[IndelibleError]]] = [
        (b"", Malformed),
        (BLOB, Malformed),
        (BLOB + b"x" * 65_537, TooLarge),
    ]
    for raw, error in refused:
        with pytest.raises(error):
            parse_upload(raw)


def test_a_text_that_only_a_journal_holds_has_no_wire_form() -> None:
    with pytest.raises(ValueError, match="journal"):
        text_to_json(Text(origin="a", splices=(Splice(0, 0, "x"),)))


def test_keys_may_be_as_large_as_javascript_counts() -> None:
    edit = take({**EDIT, "cells": [{"key": 2**53 - 1}]})
    assert isinstance(edit, Edit)
    assert edit.cells[0].key == CellKey(2**53 - 1)
