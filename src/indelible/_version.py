"""The one place where the version is written; ui/package.json repeats it, and a test compares them."""

__version__ = "0.1.0"
