"""Size of the front end as it goes over the wire: every script that a page loads, compressed.

Run: python -m benchmarks.size
"""

from __future__ import annotations

import gzip
from pathlib import Path

STATIC = Path(__file__).parent.parent / "src" / "indelible" / "labextension" / "static"


def main() -> None:
    """One line; the aim is at most 150 KB."""
    scripts = sorted(STATIC.glob("*.js"))
    plain = sum(path.stat().st_size for path in scripts)
    packed = sum(len(gzip.compress(path.read_bytes())) for path in scripts)
    print(f"front end: {packed / 1000:.1f} KB compressed ({plain / 1000:.0f} KB, {len(scripts)} scripts); aim 150 KB")


if __name__ == "__main__":
    main()
