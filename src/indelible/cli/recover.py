"""`indelible recover`: get a draft out, with no server and no browser running, or beside them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..errors import IndelibleError
from ..fs import write_whole
from ..notebook.nbjson import without_trust, write_notebook
from . import exits
from .drafts import Found, all_drafts, below, default_store

HELP = "list drafts that are newer than their files, or write one as a notebook"
EPILOG = """The draft never replaces a file by itself: it is written to OUT, or to standard output.
exit codes: 0 done · 1 no such draft · 2 usage, or OUT exists · 4 the store could not be read ·
5 the draft cannot be made whole, or OUT could not be written"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, help="the notebook whose newest draft is wanted")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="where to write it; default: standard output")
    parser.add_argument("--list", action="store_true", help="list the drafts, newest first")
    parser.add_argument("--working-copy", metavar="ID", help="this draft (or the start of its id), not the newest")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def run(options: argparse.Namespace) -> int:
    if not options.list and options.path is None and options.working_copy is None:
        print("Say which notebook (indelible recover PATH), or ask for a list (--list).", file=sys.stderr)
        return exits.USAGE
    with all_drafts(options.store or default_store()) as (drafts, errors):
        for error in errors:
            print(f"Not asked: {error} [{error.code}]", file=sys.stderr)
        chosen = [one for one in drafts if _fits(one, options.path, options.working_copy)]
        if options.list:
            return _list(chosen, options.json)
        if not chosen:
            print(f"There is no draft of {options.path or options.working_copy}.", file=sys.stderr)
            return exits.UNREACHABLE if errors else exits.NOTHING_FOUND
        return _write(chosen[0], options)


def _fits(one: Found, path: Path | None, working_copy: str | None) -> bool:
    if working_copy is not None and not one.working_copy.startswith(working_copy):
        return False
    if path is None:
        return True
    if one.file is not None:
        return below(one.file, path)
    # A journal without its server knows the path below a root directory, not the root's name.
    return path.resolve().as_posix().endswith("/" + one.path) or path.as_posix() == one.path


def _list(drafts: list[Found], as_json: bool) -> int:
    if as_json:
        print(json.dumps([one.to_json() for one in drafts], indent=2))
    else:
        for one in drafts:
            where = f"server {one.server}" if one.server else "no server"
            print(f"{one.working_copy[:12]}  {one.edited_at[:19]}  {one.state:<9}  ", end="")
            print(f"{one.cells_changed} cells  {one.path}  ({where})")
    if not drafts and not as_json:
        print("No drafts: every notebook's file holds everything.")
    return exits.FINE if drafts else exits.NOTHING_FOUND


def _write(draft: Found, options: argparse.Namespace) -> int:
    try:
        content = write_notebook(without_trust(draft.content(options.path)))
    except IndelibleError as error:
        print(f"The draft cannot be made whole: {error} [{error.code}] {error.hint}", file=sys.stderr)
        return exits.INCOMPLETE
    if options.output is None:
        sys.stdout.buffer.write(content)
        return exits.FINE
    try:
        write_whole(options.output, content, mode=0o644, replace=options.force)
    except FileExistsError:
        print(f"{options.output} exists; choose another name, or replace it with --force.", file=sys.stderr)
        return exits.USAGE
    except OSError as error:
        print(f"{options.output} could not be written: {error.strerror}", file=sys.stderr)
        return exits.INCOMPLETE
    if options.json:
        print(json.dumps(draft.to_json() | {"output": str(options.output)}, indent=2))
    else:
        print(f"{options.output}: {draft.path} as of {draft.edited_at[:19]}")
    return exits.FINE
