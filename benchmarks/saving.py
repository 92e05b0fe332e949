"""One changed character, then Ctrl+S: what it costs here, in stock Jupyter, and beside jupyter-collaboration.

Run: python -m benchmarks.saving [MB ...]
Times end when the file has its last change; `write+fsync` is the same bytes written and synced by a plain program.
"""

from __future__ import annotations

import http.client
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, WebSocket

from .browser import chromium, open_notebook
from .notebooks import image_notebook, text_notebook
from .servers import Running, jupyter

KINDS: dict[str, Callable[[Path, int], Path]] = {"images": image_notebook, "text": text_notebook}
TABLE = [("images", 1), ("images", 10), ("images", 50), ("text", 10), ("text", 50)]
CONTENDERS = ("stock", "collaboration", "indelible")
SAVES = 3
SETTLED_S = 2.5
WITHIN_S = 90.0

# The longest time that the page did nothing else.
FREEZE = """
() => {
  window.__freeze = 0;
  window.__freezing?.disconnect();
  window.__freezing = new PerformanceObserver(list => {
    for (const one of list.getEntries()) window.__freeze = Math.max(window.__freeze, one.duration);
  });
  window.__freezing.observe({ type: 'longtask' });
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One save. Times in ms, sizes in bytes."""

    to_disk_ms: float
    sent: int
    written: int
    stall_ms: float
    freeze_ms: float


@dataclass(slots=True)
class Traffic:
    """What a page sends."""

    sent: int = 0

    def watch(self, page: Page) -> None:
        """From now on, HTTP bodies and WebSocket messages (before compression)."""
        # By the header: of a large body the browser's protocol tells nothing else.
        page.on("requestfinished", lambda one: self._add(int(one.header_value("content-length") or 0)))
        page.on("websocket", lambda socket: self._listen(socket))

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: self._add(len(payload)))

    def _add(self, size: int) -> None:
        self.sent += size


def collaboration_folder() -> Path | None:
    """Where `make test` has put jupyter-collaboration; None when it has not."""
    folder = Path(sys.prefix) / "rtc"
    return folder if (folder / "jupyter_collaboration").is_dir() else None


@contextmanager
def stalls(server: Running) -> Iterator[list[float]]:
    """The times in ms that a tiny request took, asked one after the other."""
    times: list[float] = []
    is_over = threading.Event()
    port = int(server.url.rsplit(":", 1)[1].strip("/"))

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not is_over.wait(0.005):
            began = time.perf_counter()
            connection.request("GET", "/api")
            connection.getresponse().read()
            times.append((time.perf_counter() - began) * 1000)
        connection.close()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        yield times
    finally:
        is_over.set()
        asking.join()


@contextmanager
def changes(path: Path) -> Iterator[list[float]]:
    """When the file was seen to be another than a moment before (time.perf_counter)."""
    seen: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        last = None
        while not is_over.wait(0.001):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            now = status.st_ino, status.st_size, status.st_mtime_ns
            if last is not None and now != last:
                seen.append(time.perf_counter())
            last = now

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    time.sleep(0.05)
    try:
        yield seen
    finally:
        is_over.set()
        looking.join()


def one_save(page: Page, server: Running, path: Path, traffic: Traffic) -> Saved:
    """Type a character into the first cell and press Ctrl+S."""
    page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    page.keyboard.press("End")
    page.evaluate(FREEZE)
    before, disk = traffic.sent, server.bytes_to_disk()
    with stalls(server) as asked, changes(path) as seen:
        page.keyboard.type("7")
        began = time.perf_counter()
        page.keyboard.press("Control+s")
        while time.perf_counter() - began < WITHIN_S:
            page.wait_for_timeout(100)
            if seen and time.perf_counter() - seen[-1] > SETTLED_S:
                break
        freeze = float(page.evaluate("() => window.__freeze"))
    if not seen:
        raise RuntimeError(f"the file was not written within {WITHIN_S} s")
    return Saved(
        to_disk_ms=(seen[-1] - began) * 1000,
        sent=traffic.sent - before,
        written=server.bytes_to_disk() - disk,
        stall_ms=max(asked, default=0.0),
        freeze_ms=freeze,
    )


def plain_ms(path: Path) -> float:
    """Writing and syncing the file's bytes as a new file in its folder."""
    content = path.read_bytes()
    copy = path.with_name("plain.tmp")
    began = time.perf_counter()
    with copy.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    took = (time.perf_counter() - began) * 1000
    copy.unlink()
    return took


def saves(kind: str, megabytes: int, contender: str) -> tuple[list[Saved], float] | None:
    """Some saves of one notebook, and the time of the plain write; None when the contender is not here."""
    folder = collaboration_folder() if contender == "collaboration" else None
    if contender == "collaboration" and folder is None:
        return None
    with jupyter(indelible=contender == "indelible", collaboration=folder) as server, chromium() as context:
        path = KINDS[kind](server.root / "n.ipynb", megabytes * 1_000_000)
        traffic = Traffic()
        context.on("page", lambda page: traffic.watch(page))
        page, _ = open_notebook(context, server, "n.ipynb")
        page.wait_for_timeout(4000)  # What opening starts in the background is not what is measured.
        done = [one_save(page, server, path, traffic) for _ in range(SAVES)]
        plain = min(plain_ms(path) for _ in range(3))
        page.close(run_before_unload=False)
        return done, plain


def main(sizes: list[int] | None = None) -> None:
    """Print one line a notebook and contender."""
    print(
        f"{'notebook':14}{'':15}{'to disk ms: 1st':>16}{'2nd':>8}{'3rd':>8}{'write+fsync':>13}"
        f"{'page sends':>14}{'server writes':>15}{'stall ms':>10}{'freeze ms':>11}"
    )
    for kind, megabytes in TABLE:
        if sizes and megabytes not in sizes:
            continue
        for contender in CONTENDERS:
            found = saves(kind, megabytes, contender)
            if found is None:
                continue
            done, plain = found
            times = "".join(f"{one.to_disk_ms:>8.0f}" for one in done[1:])
            print(
                f"{f'{kind} {megabytes} MB':14}{contender:15}{done[0].to_disk_ms:>16.0f}{times}{plain:>13.0f}"
                f"{max(one.sent for one in done):>14,}{max(one.written for one in done):>15,}"
                f"{max(one.stall_ms for one in done):>10.0f}{max(one.freeze_ms for one in done):>11.0f}",
                flush=True,
            )
    print("\nPage sends, server writes, stall and freeze: the largest of the saves.")


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]])
