"""`indelible`, also `jupyter indelible`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .._version import __version__
from ..errors import IndelibleError
from . import exits, recover, status

COMMANDS = {"status": status, "recover": recover}


def parser() -> argparse.ArgumentParser:
    """All commands and their options; docs/reference/cli.md repeats them."""
    whole = argparse.ArgumentParser(prog="indelible", description="Notebook work that cannot be lost.")
    whole.add_argument("--version", action="version", version=f"indelible {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=command.HELP,
            description=command.HELP,
            epilog=command.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(one)
        one.add_argument("--json", action="store_true", help="for scripts")
        one.add_argument("--store", type=Path, help="folder of the store; default: in Jupyter's data directory")
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    options = parser().parse_args(arguments)
    try:
        code: int = COMMANDS[options.command].run(options)
        return code
    except IndelibleError as error:
        print(f"{error} [{error.code}] {error.hint}".rstrip(), file=sys.stderr)
        return exits.UNREACHABLE
    except BrokenPipeError:
        return exits.FINE


if __name__ == "__main__":
    sys.exit(main())
