"""What in a text no model should learn to write: control characters, halves, wrong decoding."""

from __future__ import annotations

import functools
import re
import unicodedata

# All but tab and line ends, and a byte order mark inside; a model would learn to write them.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")
# The inside of a run of ASCII. Wrongly decoded text shows in other letters with at most two of
# these on each side, and looking for it takes longer than all else that is asked of a row.
ASCII = re.compile(r"(?<=[\x00-\x7f]{3})[\x00-\x7f]+(?=[\x00-\x7f]{3})")
# On one letter (UAX 15, stream-safe text): normalising takes the square of their number.
MARKS = 30


def fault_of(text: str) -> str:
    """What in a text no model should learn; empty where nothing is."""
    if text.isascii() and text.isprintable():
        return ""
    if found := CONTROL.search(text):
        return f"holds the control character U+{ord(found[0]):04X}"
    if text.isascii():
        return ""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        # CSV brings bytes that are no UTF-8 as the surrogates U+DC80 to U+DCFF.
        byte = 0xDC80 <= ord(text[error.start]) <= 0xDCFF
        return "is not UTF-8" if byte else "holds half a surrogate pair"
    if _is_stacked(text):
        return f"piles more than {MARKS} marks on one letter"
    if _is_garbled(text):
        return "was decoded wrongly before (as “Ã¼” for “ü”); mend its encoding"
    return ""


def _is_garbled(text: str) -> bool:
    """Whether a text is mojibake, by the statistics of ftfy (Speer 2019), or lost characters."""
    from ftfy.badness import is_bad

    return "\ufffd" in text or bool(is_bad(ASCII.sub("", text)))


def _is_stacked(text: str) -> bool:
    marks = {c for c in set(text) if _is_mark(c)} if len(text) > MARKS else set()
    piled = 0
    for c in text if marks else "":
        piled = piled + 1 if c in marks else 0
        if piled > MARKS:
            return True
    return False


@functools.cache
def _is_mark(character: str) -> bool:
    """Whether normalising makes the character join, or change places with, those before it."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) != 0
