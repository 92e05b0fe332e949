"""Named SQL from .sql files: `-- name: what_it_does` opens a query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files


def queries(name: str) -> Mapping[str, str]:
    """The queries of store/NAME.sql, by name."""
    text = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    pieces = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], (body.strip() for body in pieces[2::2]), strict=True))
