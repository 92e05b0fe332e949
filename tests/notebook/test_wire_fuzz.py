"""Whatever arrives: a value, or one of the two refusals; never another error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.errors import Malformed, TooLarge
from indelible.model import Edit
from indelible.notebook.wire import parse, parse_batch, parse_upload
from indelible.notebook.wirejson import edit_to_json

from .test_wire import EDIT, OPEN, RESET, SAVED

numbers = st.booleans() | st.integers() | st.floats()
scalars: st.SearchStrategy[Any] = st.none() | numbers | st.text(max_size=5) | st.sampled_from(["base:", "a" * 64])
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged_messages(draw: st.DrawFn) -> Any:
    """A good message with one to three nodes replaced, removed or doubled."""
    message = json.loads(json.dumps(draw(st.sampled_from([EDIT, OPEN, SAVED, RESET]))))
    for _ in range(draw(st.integers(1, 3))):
        node = message
        while True:
            steps = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not steps:
                break
            step = draw(st.sampled_from(steps))
            if isinstance(node[step], (dict, list)) and draw(st.booleans()):
                node = node[step]
                continue
            if draw(st.booleans()):
                node[step] = draw(junk)
            elif isinstance(node, list) and draw(st.booleans()):
                node.append(node[step])
            else:
                del node[step]
            break
    return message


@settings(max_examples=400, deadline=None)
@given(damaged_messages())
def test_a_damaged_message_is_refused_or_means_what_it_says(message: Any) -> None:
    with contextlib.suppress(Malformed, TooLarge):
        value = parse(json.dumps(message))
        if isinstance(value, Edit):
            assert parse(json.dumps(edit_to_json(value))) == value


@settings(deadline=None)
@given(st.text() | st.binary() | junk.map(json.dumps))
def test_noise_is_refused(raw: str | bytes) -> None:
    with contextlib.suppress(Malformed, TooLarge):
        parse(raw)
    with contextlib.suppress(Malformed, TooLarge):
        parse_batch(raw)
    if isinstance(raw, bytes):
        with contextlib.suppress(Malformed, TooLarge):
            parse_upload(raw)
