"""Indelible: notebook work that cannot be lost."""

from ._version import __version__

__all__ = ["__version__"]
