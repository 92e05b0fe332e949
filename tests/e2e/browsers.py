"""A real Chromium whose profile outlives it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import BrowserContext, Error, Playwright

from .waiting import wait_until

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZE = 1280, 900


class Browser:
    """Chromium on one profile folder: opened, killed, opened again."""

    def __init__(self, playwright: Playwright, profile: Path, locale: str = "en-US") -> None:
        self.playwright, self.profile, self.locale = playwright, profile, locale
        self.context = self._launch()

    def _launch(self) -> BrowserContext:
        return self.playwright.chromium.launch_persistent_context(
            self.profile, executable_path=CHROMIUM, args=ARGUMENTS, chromium_sandbox=False, locale=self.locale,
            viewport={"width": SIZE[0], "height": SIZE[1]},
        )  # fmt: skip

    def _processes(self) -> list[int]:
        """Every process of this browser: those that name the profile, and those in their process groups."""
        mine, groups, all_of_them = set[int](), set[int](), dict[int, int]()
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with suppress(OSError):
                stat = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                if stat[0] == "Z":
                    continue
                all_of_them[int(folder.name)] = int(stat[2])
                if os.fsencode(f"--user-data-dir={self.profile}") in (folder / "cmdline").read_bytes().split(b"\0"):
                    mine.add(int(folder.name))
                    groups.add(int(stat[2]))
        groups.discard(os.getpgrp())
        return sorted(mine | {pid for pid, group in all_of_them.items() if group in groups})

    def kill(self, also: Callable[[], None] = lambda: None) -> None:
        """SIGKILL to all of it, and `also` in the same instant; returns when nothing of it is left."""
        processes = self._processes()
        also()
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self._processes(), "the browser to be gone", within_s=10)
        with suppress(Error):
            self.context.close()

    def open_again(self) -> None:
        """After `kill`: the same profile."""
        for lock in ("SingletonLock", "SingletonSocket", "SingletonCookie"):
            (self.profile / lock).unlink(missing_ok=True)
        self.context = self._launch()

    def close(self) -> None:
        with suppress(Error):
            self.context.close()
