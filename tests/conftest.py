"""Fixtures of Jupyter's own test kit (`jp_serverapp`, `jp_fetch`, …), for the server tests."""

pytest_plugins = ["pytest_jupyter.jupyter_server"]
