"""Every figure in one run: python -m benchmarks. Ratios count; single times are this machine's, today."""

from __future__ import annotations

from . import browser, load, materialise, saving, size


def main() -> None:
    """Print all tables."""
    print("== A real browser, stock Jupyter beside ==")
    browser.main()
    print("\n== One changed character, then Ctrl+S ==")
    saving.main()
    print("\n== Many working copies on one server, four edits a second each ==")
    load.main([1, 50, 200, 500])
    print("\n== The core ==")
    materialise.main()
    print("\n== The front end ==")
    size.main()


if __name__ == "__main__":
    main()
