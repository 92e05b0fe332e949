"""Typed access to the fields of untrusted JSON. Every refusal names the field."""

from __future__ import annotations

import re
from typing import Any

from ..errors import Malformed, TooLarge
from .chunks import is_well_formed

SAFE = 2**53 - 1
"""The largest integer that JavaScript counts exactly."""

DEPTH = 256
"""How deep JSON may be nested. Jupyter's own parser gives up near 330."""

_ID = re.compile(r"[0-9a-f]{32}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

Object = dict[str, Any]


def malformed(where: str, expected: str) -> Malformed:
    """The refusal for a field that is not what it should be."""
    return Malformed(f"{where}: {expected} expected")


def an_object(value: Any, where: str) -> Object:
    """The value, when it is a JSON object."""
    if type(value) is not dict:
        raise malformed(where, "an object")
    return value


def a_list(value: Any, where: str, most: int) -> list[Any]:
    """The value, when it is a list of at most `most`. Raises TooLarge beyond."""
    if type(value) is not list:
        raise malformed(where, "a list")
    if len(value) > most:
        raise TooLarge(f"{where}: {len(value)} entries, at most {most} are accepted")
    return value


def a_tuple(value: Any, where: str, *names: str) -> list[Any]:
    """The value, when it is a list with one entry for each name."""
    if type(value) is not list or len(value) != len(names):
        raise malformed(where, f"[{', '.join(names)}]")
    return value


def an_int(value: Any, where: str, least: int = 0, most: int = SAFE) -> int:
    """The value, when it is an integer in the range (True is none)."""
    if type(value) is not int or not least <= value <= SAFE:
        raise malformed(where, f"an integer from {least}")
    if value > most:
        raise TooLarge(f"{where}: {value}, at most {most} is accepted")
    return value


def a_string(value: Any, where: str, most: int) -> str:
    """The value, when it is a string of at most `most` code points."""
    if type(value) is not str:
        raise malformed(where, "a string")
    if len(value) > most:
        raise TooLarge(f"{where}: {len(value)} characters, at most {most} are accepted")
    return value


def a_bool(value: Any, where: str) -> bool:
    """The value, when it is true or false."""
    if type(value) is not bool:
        raise malformed(where, "true or false")
    return value


def one_of(value: Any, where: str, choices: tuple[str, ...]) -> str:
    """The value, when it is one of the choices."""
    if type(value) is not str or value not in choices:
        raise malformed(where, " or ".join(choices))
    return value


def an_id(value: Any, where: str) -> str:
    """The value, when it is 32 hex digits."""
    if type(value) is not str or not _ID.match(value):
        raise malformed(where, "32 hex digits in lower case")
    return value


def a_sha256(value: Any, where: str) -> str:
    """The value, when it is 64 hex digits."""
    if type(value) is not str or not _SHA256.match(value):
        raise malformed(where, "64 hex digits in lower case")
    return value


def a_path(value: Any, where: str, most: int) -> str:
    """The value, when it may be a notebook's path in Jupyter's contents API."""
    path = a_string(value, where, most)
    if not path or "\x00" in path or not is_well_formed(path) or ".." in path.split("/"):
        raise malformed(where, "a path")
    return path


def required(message: Object, name: str, where: str = "") -> Any:
    """The field's value. Raises Malformed when it is missing."""
    try:
        return message[name]
    except KeyError:
        raise Malformed(f"{where + '.' if where else ''}{name}: missing") from None


def check_depth(value: Any, where: str) -> None:
    """Refuse JSON that is nested deeper than DEPTH: whatever walks it later must not run out of stack."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise TooLarge(f"{where}: nested deeper than {DEPTH}")
        level = [
            child
            for container in level
            if type(container) in (dict, list)
            for child in (container.values() if type(container) is dict else container)
            if type(child) in (dict, list)
        ]
