"""Write chunks.json from a slow, literal reading of docs/reference/protocol.md ("Chunks").

The reading is independent of indelible.notebook.chunks on purpose. Run: python tests/vectors/make_chunks.py
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

ABOUT = [
    "Vectors for the chunker of docs/reference/protocol.md. Both implementations must give `chunks`.",
    "A vector's input is one of: `text` (the string itself); `repeat` {unit, times}: unit, times times;",
    "`lines` {before, times, after}: before + i + after for i = 0 … times-1 (i in decimal), joined;",
    "`parts`: a list of inputs, joined in order. All are well-formed strings.",
    "`chunks`: [SHA-256 hex of the chunk's UTF-8 bytes, its length in UTF-16 code units], in order.",
    "A line that a forced cut has split counts from that cut: a line never begins before its chunk.",
]
BASE64 = "iVBORw0KGgoAAAANSUhEUgAAAbAAAAEgCAYAAADVKCZpAAAAOXRFWHRTb2Z0d2FyZQBN"


def text_of(vector: dict[str, Any]) -> str:
    """The string that a vector describes."""
    if "text" in vector:
        return str(vector["text"])
    if "repeat" in vector:
        return str(vector["repeat"]["unit"]) * int(vector["repeat"]["times"])
    if "lines" in vector:
        lines = vector["lines"]
        return "".join(f"{lines['before']}{i}{lines['after']}" for i in range(lines["times"]))
    return "".join(text_of(part) for part in vector["parts"])


def literal_chunks(data: bytes) -> list[bytes]:
    """The rule of protocol.md, word for word; slow."""
    chunks: list[bytes] = []
    start = 0
    while start < len(data):
        cut = None
        line = start
        while cut is None:
            newline = data.find(b"\n", line)
            end = len(data) if newline < 0 else newline + 1
            if end - start > 65_536:
                cut = start + 65_536
                while data[cut] & 0xC0 == 0x80:
                    cut -= 1
            elif newline < 0 or end == len(data):
                cut = len(data)
            elif end - start >= 8_192 and zlib.crc32(data[line:end]) % 16_384 < end - line:
                cut = end
            line = end
        chunks.append(data[start:cut])
        start = cut
    return chunks


def repeat(unit: str, times: int) -> dict[str, Any]:
    return {"repeat": {"unit": unit, "times": times}}


def lines(before: str, times: int, after: str = "\n") -> dict[str, Any]:
    return {"lines": {"before": before, "times": times, "after": after}}


def parts(*inputs: dict[str, Any]) -> dict[str, Any]:
    return {"parts": list(inputs)}


INPUTS: dict[str, dict[str, Any]] = {
    "empty": {"text": ""},
    "one letter": {"text": "x"},
    "one newline": {"text": "\n"},
    "a short line without its newline": {"text": "print('hello')"},
    "an emoji and Chinese, short": {"text": "数据分析 📈\r\n第二行\n"},
    "NUL, DEL, BOM and line separators": {"text": "\x00\x7f\ufeffa\u2028b\u2029c\x85\x0b\x0c\n"},
    "one byte below the minimum, no newline": repeat("a", 8_191),
    "the minimum, no newline": repeat("a", 8_192),
    "the minimum, then one more line": parts(repeat("a", 8_191), {"text": "\nb"}),
    "newline ends at the minimum minus one": parts(repeat("a", 8_190), {"text": "\n"}, lines("n = ", 3_000)),
    "the maximum, no newline": repeat("a", 65_536),
    "the maximum and one, no newline": repeat("a", 65_537),
    "the maximum and one, newline last": parts(repeat("a", 65_535), {"text": "\n"}, {"text": "b"}),
    "newline just beyond the maximum": parts(repeat("a", 65_536), {"text": "\nrest\n"}),
    "no newline at all, 300 kB": repeat("0123456789abcdef", 18_750),
    "base64 without a newline": parts(repeat(BASE64, 3_000), {"text": "AAAElFTkSuQmCC"}),
    "base64-like lines": lines(BASE64, 4_000),
    "base64-like lines, the same one again and again": repeat(BASE64 + "\n", 4_000),
    "numbered lines of source": lines("value_of_row = compute(", 10_000, ", axis=0)\n"),
    "numbered lines with CRLF": lines("row ", 20_000, "\r\n"),
    "carriage returns only (progress bar)": lines("\rprogress ", 20_000, "%"),
    "progress bars in lines": parts(lines("\r 10%|", 9_000, ""), {"text": "\n"}, lines("\r 20%|", 9_000, "")),
    "empty lines only": repeat("\n", 100_000),
    "Chinese lines": lines("第", 8_000, "行:把数据写到磁盘上,然后再确认。\n"),
    "Chinese without a newline": repeat("汉字", 40_000),
    "accents without a newline, cut inside a sequence of two": parts({"text": "a"}, repeat("é", 70_000)),
    "emoji at the forced maximum, whole": repeat("😀", 40_000),
    "emoji at the forced maximum, moved back 1": parts({"text": "a"}, repeat("😀", 40_000)),
    "emoji at the forced maximum, moved back 2": parts({"text": "ab"}, repeat("😀", 40_000)),
    "emoji at the forced maximum, moved back 3": parts({"text": "abc"}, repeat("😀", 40_000)),
    "emoji lines": lines("😀👩‍💻 ", 9_000, " ✅\n"),
    "a forced cut inside a long line, then short lines": parts(
        lines("head ", 1_000), repeat("z", 90_000), {"text": "\n"}, lines("tail ", 5_000)
    ),
    "lines longer than the minimum": lines(BASE64 * 150, 12),
    "lines longer than the gap": lines(BASE64 * 300, 8),
    "lines longer than the maximum": lines(BASE64 * 1_000, 4),
    "an insertion at the top: before": lines("value_of_row = compute(", 6_000, ")\n"),
    "an insertion at the top: after": parts(
        {"text": "# one more line\n"}, lines("value_of_row = compute(", 6_000, ")\n")
    ),
}


def chunk_refs(text: str) -> list[list[Any]]:
    return [
        [hashlib.sha256(chunk).hexdigest(), len(chunk.decode().encode("utf-16-le")) // 2]
        for chunk in literal_chunks(text.encode())
    ]


def main() -> None:
    vectors = [
        json.dumps({"name": name, **given, "chunks": chunk_refs(text_of(given))}, ensure_ascii=True)
        for name, given in INPUTS.items()
    ]
    about = ",\n".join("    " + json.dumps(line, ensure_ascii=False) for line in ABOUT)
    body = ",\n".join("    " + vector for vector in vectors)
    content = f'{{\n  "about": [\n{about}\n  ],\n  "vectors": [\n{body}\n  ]\n}}\n'
    Path(__file__).with_name("chunks.json").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
