"""What a bad row looks like, without what it says: data may hold secrets, and errors are logged."""

from __future__ import annotations

import re

SHOWN = 60
WORD = re.compile(r"[^\W\d_]+")
# Words of the format itself.
TELLING = {"prompt", "completion", "messages", "role", "content", "id", "system", "user"} | {
    "assistant", "true", "false", "null", "NaN", "Infinity"
}  # fmt: skip


def excerpt(data: bytes | str) -> str:
    """The beginning of a row with letters as x, digits as 9 and the format's own words as they are.

    No word, name, number or key of the data is in it, whatever it is; a person finds the row by its
    line.
    """
    cut = data[: 4 * SHOWN]
    text = cut.decode("utf-8", "replace") if isinstance(cut, bytes) else cut
    text = text.strip()[:SHOWN]
    text = WORD.sub(lambda word: word[0] if word[0] in TELLING else "x" * len(word[0]), text)
    return "".join(_plain(c) for c in text)


def _plain(character: str) -> str:
    if character.isdigit():
        return "9"
    return character if character.isascii() and character.isprintable() else "?"
