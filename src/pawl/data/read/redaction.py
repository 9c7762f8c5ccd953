"""Redacted excerpts of bad rows: errors are logged, and the data may hold secrets."""

from __future__ import annotations

import re

SHOWN = 60
WORD = re.compile(r"[^\W\d_]+")
# At most three words of letters: what has a digit may be a password.
NAME = re.compile(r"(?:[^\W\d]{1,24}(?:[ .-](?=[^\W\d]))?){1,3}")
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


def shown_name(name: str) -> str:
    """A key or role as messages show it: as it is if it looks like a name, else redacted.

    A file without a header has its first row there, and a key may hold a secret.
    """
    return name if NAME.fullmatch(name) else redacted_excerpt(name)
