"""Tests run in both apps; those marked so run in one, where the other has nothing of its own to show."""

from __future__ import annotations

import pytest

IN_LAB = pytest.mark.parametrize("app", ["lab"], indirect=True)
IN_NOTEBOOK = pytest.mark.parametrize("app", ["notebook"], indirect=True)
