"""The version, which is written in one place: ui/package.json."""

from importlib.metadata import version

__version__ = version("indelible")
