"""What a user of a real browser feels: key → ack, key → paint, bytes an edit costs, page start.

Run: python -m benchmarks.browser
Each figure that stock Jupyter has too is taken in the same run, the two in turn.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator

from playwright.sync_api import BrowserContext, Page, sync_playwright

from .load import quantile
from .notebooks import image_notebook
from .servers import Running, jupyter

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Wraps the page's WebSocket and key events: which edit was the first to be sent after a key, when was it acked,
# and when did the browser present the next frame.
PROBE = """
(() => {
  const probe = (window.__probe = { keys: [], frames: [], acks: [], sent: 0, edits: 0 });
  let waiting = [];
  const flying = new Map();
  window.addEventListener('keydown', () => {
    const at = performance.now();
    probe.keys.push(at);
    waiting.push(at);
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => probe.frames.push(performance.now() - at);
      channel.port2.postMessage(0);
    });
  }, true);
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(url, protocols) {
      super(url, protocols);
      if (!String(url).includes('indelible')) return;
      this.addEventListener('message', event => {
        if (typeof event.data !== 'string') return;
        const message = JSON.parse(event.data);
        if (message.t !== 'ack') return;
        const now = performance.now();
        for (const [seq, keys] of [...flying])
          if (seq <= message.seq) {
            flying.delete(seq);
            for (const at of keys) probe.acks.push(now - at);
          }
      });
    }
    send(data) {
      if (String(this.url).includes('indelible')) {
        const text = typeof data === 'string';
        probe.sent += text ? data.length : data.byteLength;
        const message = text ? JSON.parse(data) : null;
        if (message && message.t === 'edit') {
          probe.edits += 1;
          flying.set(message.seq, waiting);
          waiting = [];
        }
      }
      super.send(data);
    }
  };
})();
"""


@contextlib.contextmanager
def chromium() -> Iterator[BrowserContext]:
    """A browser with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser.new_context(viewport={"width": 1280, "height": 900})
        finally:
            browser.close()


def open_notebook(context: BrowserContext, server: Running, name: str) -> tuple[Page, float]:
    """Open it in JupyterLab; the seconds until its first cell is there to type in."""
    page = context.new_page()
    page.add_init_script(PROBE)
    began = time.monotonic()
    page.goto(f"{server.url}lab/tree/{name}?token={server.token}")
    page.wait_for_selector(".jp-Notebook .jp-Cell .cm-content", timeout=120_000)
    took = time.monotonic() - began
    dialog = page.locator(".jp-Dialog button:has-text('No Kernel')")
    if dialog.count():
        dialog.click()
    page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    return page, took


def type_keys(page: Page, count: int) -> None:
    """Real key events, one every 60 ms, without a pause."""
    page.evaluate(
        "() => { const p = window.__probe; p.keys = []; p.frames = []; p.acks = []; p.sent = 0; p.edits = 0; }"
    )
    words = "value = compute(alpha, beta) + offset # "
    page.keyboard.type((words * (count // len(words) + 1))[:count], delay=60)
    page.wait_for_timeout(1000)


def typing(size: int, keys: int) -> dict[str, dict[str, float]]:
    """Type in a notebook of `size` bytes with and without Indelible; figures by contender."""
    figures: dict[str, dict[str, float]] = {}
    for name, enabled in (("stock", False), ("indelible", True)):
        with jupyter(indelible=enabled) as server, chromium() as context:
            image_notebook(server.root / "n.ipynb", size)
            page, opened_s = open_notebook(context, server, "n.ipynb")
            type_keys(page, 40)
            disk = server.bytes_to_disk()
            type_keys(page, keys)
            probe = page.evaluate("() => window.__probe")
            row = {
                "page start s": opened_s,
                "server start s": server.started_after_s,
                "key→paint p50 ms": statistics.median(probe["frames"]),
                "key→paint p95 ms": quantile(probe["frames"], 0.95),
            }
            if enabled:
                edits = max(1, probe["edits"])
                row |= {
                    "key→ack p50 ms": statistics.median(probe["acks"]),
                    "key→ack p99 ms": quantile(probe["acks"], 0.99),
                    "acked keys": len(probe["acks"]),
                    "sent B/edit": probe["sent"] / edits,
                    "disk B/edit": (server.bytes_to_disk() - disk) / edits,
                }
            else:
                row |= save_cost(page, server)
            figures[name] = row
            page.close(run_before_unload=False)
    return figures


def save_cost(page: Page, server: Running) -> dict[str, float]:
    """What one changed character costs stock Jupyter: Ctrl+S."""
    sent: list[int] = []
    page.on("requestfinished", lambda one: sent.append(one.sizes()["requestBodySize"]) if one.method == "PUT" else None)
    disk = server.bytes_to_disk()
    with page.expect_response(lambda one: one.request.method == "PUT" and one.ok, timeout=120_000):
        page.keyboard.press("Control+s")
    page.wait_for_timeout(3000)
    return {"sent B/edit": float(sum(sent)), "disk B/edit": float(server.bytes_to_disk() - disk)}


def main() -> None:
    """Print one table a size."""
    for label, size, keys in (("10 KB", 10_000, 300), ("1 MB", 1_000_000, 300), ("50 MB", 50_000_000, 150)):
        figures = typing(size, keys)
        print(f"\n{label} notebook{'':20}{'stock':>14}{'indelible':>14}")
        for row in figures["indelible"]:
            stock = figures["stock"].get(row)
            shown = "–" if stock is None else f"{stock:,.1f}"
            print(f"{row:32}{shown:>14}{figures['indelible'][row]:>14,.1f}", flush=True)
    print("\n'sent' and 'disk' of stock: one changed character and Ctrl+S; of Indelible: one edit made durable.")


if __name__ == "__main__":
    main()
