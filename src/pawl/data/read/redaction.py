"""Redacted excerpts of bad rows: errors are logged, and the data may hold secrets."""

from __future__ import annotations

import re

SHOWN = 60
WORD = re.compile(r"[^\W\d_]+")
FORMAT_WORDS = {"prompt", "completion", "messages", "role", "content", "id", "system", "user"} | {
    "assistant", "true", "false", "null", "NaN", "Infinity"
}  # fmt: skip


def redacted_excerpt(data: bytes | str) -> str:
    """The beginning of a row with letters as x, digits as 9 and the format's own words unchanged.

    It holds no word, name, number or key of the data; a person finds the row by its line.
    """
    cut = data[: 4 * SHOWN]
    text = cut.decode("utf-8", "replace") if isinstance(cut, bytes) else cut
    text = text.strip()[:SHOWN]
    text = WORD.sub(lambda word: word[0] if word[0] in FORMAT_WORDS else "x" * len(word[0]), text)
    text = "".join("9" if c.isdigit() else c for c in text)
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
