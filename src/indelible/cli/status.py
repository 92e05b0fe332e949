"""`indelible status`: what runs, what is not in its file yet, what fails and why."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import IndelibleError
from ..recovery import state_of
from ..store.offline import open_offline
from . import exits
from .drafts import below, default_store
from .servers import running

HELP = "what runs, what is not in its file yet, what fails and why"
EPILOG = """exit codes: 0 all well · 1 no server runs, and no draft waits · 3 something is not protected ·
4 a server or the store could not be read"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, help="only this notebook, or what is below this folder")


def run(options: argparse.Namespace) -> int:
    report = gather(options.path, options.store or default_store())
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    if report["errors"]:
        return exits.UNREACHABLE
    if any(not problem.get("is_warning") for server in report["servers"] for problem in server["problems"]):
        return exits.NOT_PROTECTED
    if not report["servers"] and not report["waiting"]:
        return exits.NOTHING_FOUND
    return exits.FINE


def gather(path: Path | None, store: Path) -> dict[str, Any]:
    """Everything, as JSON."""
    report: dict[str, Any] = {"servers": [], "store": str(store), "waiting": [], "errors": []}
    for server in running():
        try:
            status = server.get("status")
        except IndelibleError as error:
            report["errors"].append({"server": server.pid, "error": error.code, "message": str(error)})
            continue
        status["url"] = server.url
        status["working_copies"] = [
            one for one in status["working_copies"] if path is None or below(Path(status["root"]) / one["path"], path)
        ]
        report["servers"].append(status)
    if (store / "journals").is_dir():
        try:
            with open_offline(store) as offline:
                report["waiting"] = [
                    {
                        "wc": one.id,
                        "path": one.path,
                        "edited_at": one.edited_at.isoformat(timespec="seconds"),
                        "state": state_of(one, is_live=False),
                    }
                    for one in (draft.working_copy for draft in offline.drafts)
                    if path is None or path.name == Path(one.path).name
                ]
        except IndelibleError as error:
            report["errors"].append({"store": str(store), "error": error.code, "message": str(error)})
    return report


def _print(report: dict[str, Any]) -> None:
    if not report["servers"]:
        print("No server with Indelible runs here.")
    for server in report["servers"]:
        print(f"Server {server['pid']}  {server['url']}  {server['root']}")
        store = server["store"]
        if store:
            free = store["free_bytes"] / 2**30
            print(f"  store        {store['path']} ({store['reason']}, {free:.1f} GB free)")
        if not server["journal"]:
            print("  journal      switched off")
        interval = server["autosave_interval_ms"]
        print(f"  autosave     {f'every {interval / 1000:g} s' if interval else 'off'}")
        oldest = server["oldest_unacked_s"]
        print(f"  unacked      {server['unacked']}" + (f", the oldest for {oldest:.1f} s" if oldest else ""))
        for one in server["working_copies"]:
            note = "newer than its file" if one["is_draft"] else "as in its file"
            print(f"  {one['state']:<12} {one['path']}: {note}, last edit {one['edited_at']}")
        for problem in server["problems"]:
            print(f"  {_what(problem)}: {problem['message']} [{problem['code']}]\n    {problem['hint']}")
        if server["failures"]:
            print("  failures     " + ", ".join(f"{name} {count}" for name, count in server["failures"].items()))
    for one in report["waiting"]:
        print(f"Draft without a server: {one['path']}, {one['state']}, last edit {one['edited_at']} ({one['wc']})")
    for error in report["errors"]:
        print(f"Could not be read: {error['message']} [{error['error']}]")


def _what(problem: dict[str, Any]) -> str:
    if problem.get("is_warning"):
        return "WARNING"
    return "NOT SAVED" if problem.get("is_about_file") else "NOT PROTECTED"
