"""Putting a value's long strings back into their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import StoreDamaged
from ..model import Path, Value
from .text import GetBlob, resolve


def assemble(value: Value, get_blob: GetBlob) -> Any:
    """The JSON that the value stands for; `value` itself is not changed, and shares what has no long string.

    Raises BlobUnknown, BlobDamaged, and StoreDamaged when a path leads nowhere.
    """
    if not value.long:
        return value.json
    return placed(value.json, {path: resolve(text, get_blob) for path, text in value.long.items()})


def placed(json: Any, texts: Mapping[Path, str]) -> Any:
    """The JSON with each text in the place of the null at its path. Containers on the way are copied."""
    root = _copied(json)
    fresh = {id(root)}
    for path, text in texts.items():
        try:
            node = root
            for step in path[:-1]:
                child = node[step]
                if id(child) not in fresh:
                    child = node[step] = _copied(child)
                    fresh.add(id(child))
                node = child
            if node[path[-1]] is not None:
                raise StoreDamaged(f"a long string has no place at {list(path)!r:.200}")
            node[path[-1]] = text
        except (LookupError, TypeError) as error:
            raise StoreDamaged(f"a long string has no place at {list(path)!r:.200}") from error
    return root


def _copied(container: Any) -> Any:
    if isinstance(container, dict):
        return dict(container)
    if isinstance(container, list):
        return list(container)
    raise TypeError("a string stands on the way")
