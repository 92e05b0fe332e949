"""Notebooks of a given size, the same every time."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

METADATA = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
"""With a kernel's name JupyterLab asks nothing when it opens the notebook."""


def image_notebook(path: Path, size: int) -> Path:
    """Write a notebook of about `size` bytes: code cells with one base64 image each, text cells between."""
    dice = random.Random(size)
    images = max(1, min(50, size // 200_000))
    each = max(200, (size - 4_000) // images)
    cells: list[dict[str, object]] = [code("first", "x = 1\n")]
    for number in range(images):
        png = base64.b64encode(dice.randbytes(each * 3 // 4)).decode()
        cells.append(code(f"plot{number}", f"plt.plot(data[{number}])\nplt.show()", png))
        cells.append({"cell_type": "markdown", "id": f"text{number}", "metadata": {}, "source": f"## Figure {number}"})
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook, indent=1) + "\n")
    return path


def text_notebook(path: Path, size: int) -> Path:
    """Write a notebook of about `size` bytes without any output: cells of some 10 KB of code each."""
    dice = random.Random(size)
    words = ["value", "compute", "alpha", "beta", "offset", "frame", "index", "total", "数据", "return"]
    cells: list[dict[str, object]] = [code("first", "x = 1\n")]
    written = 0
    while written < size:
        lines = [f"{dice.choice(words)}_{number} = {' + '.join(dice.choices(words, k=8))}" for number in range(140)]
        cells.append(code(f"cell{len(cells)}", "\n".join(lines)))
        written += sum(len(line.encode()) + 12 for line in lines)
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def code(cell_id: str, source: str, png: str | None = None) -> dict[str, object]:
    """A code cell, with an image for output if one is given."""
    output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": png, "text/plain": "<Figure>"}}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": cell_id,
        "metadata": {},
        "outputs": [output] if png else [],
        "source": source,
    }
