"""Text that no model should learn: control characters, lone surrogates, stacked marks, mojibake."""

from __future__ import annotations

import functools
import re
import unicodedata

# All but tab and line ends; also a byte order mark inside a text.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")
# The inside of a run of ASCII. Mojibake shows in other letters with at most two ASCII characters on
# each side, and detecting it takes longer than all other checks of a row.
ASCII = re.compile(r"(?<=[\x00-\x7f]{3})[\x00-\x7f]+(?=[\x00-\x7f]{3})")
# Combining marks on one letter (UAX 15, stream-safe text): normalising is quadratic in them.
MAX_MARKS = 30


def text_fault(text: str) -> str:
    """Return what is wrong with a text, or an empty string."""
    if text.isascii() and text.isprintable():
        return ""
    if control := CONTROL.search(text):
        return f"holds the control character U+{ord(control[0]):04X}"
    if text.isascii():
        return ""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        # The CSV reader decodes invalid bytes to the surrogates U+DC80 to U+DCFF.
        is_byte = 0xDC80 <= ord(text[error.start]) <= 0xDCFF
        return "is not UTF-8" if is_byte else "holds half a surrogate pair"
    if _has_stacked_marks(text):
        return f"has more than {MAX_MARKS} marks on one letter"
    from ftfy.badness import is_bad  # heuristics of Speer 2019

    if "\ufffd" in text or is_bad(ASCII.sub("", text)):
        return "was decoded wrongly before (as “Ã¼” for “ü”); correct its encoding"
    return ""


def _has_stacked_marks(text: str) -> bool:
    marks = {c for c in set(text) if _is_mark(c)} if len(text) > MAX_MARKS else set()
    run = 0
    for c in text if marks else "":
        run = run + 1 if c in marks else 0
        if run > MAX_MARKS:
            return True
    return False


@functools.cache
def _is_mark(character: str) -> bool:
    """Whether normalising combines the character with, or moves it before, the preceding ones."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) != 0
