"""When two rows have the same prompt, however it was typed; for copies and for budgets."""

from __future__ import annotations

import re
import unicodedata

from pawl.core.files import digest_text
from pawl.core.records import Example, HeldOutRow

Row = Example | HeldOutRow
# Unicode categories that change a text's meaning beside letters and digits: vowel signs of Indic
# scripts and accents without a composed form (Mn, Mc), operators (Sm), as C++ is not C, currencies
# (Sc), and symbols such as emoji (So).
SIGNIFICANT = {"Mn", "Mc", "Sm", "Sc", "So"}
# They choose how a symbol is drawn.
DRAWN = "\ufe0e\ufe0f"
MINUS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
# Punctuation that changes it by where it stands: points and signs at digits (1.5 is not 15, -5 not
# 5, 3/4 not 34), what joins two words or names (a_b, R&D, 2*3), C#, !x, per cent.
AT_DIGITS = (
    r"(?<=\d)[.,:/'-](?=\d)|(?<!\w)-(?=[.,]?\d)|(?<![\w.])[.,](?=\d)|(?<=\d)[%‰]|(?<=\d )[%‰]"
)
BETWEEN = r"(?<=\w)[*/\\^&@_|!](?=\w)|(?<=[a-z])#(?!\w)|(?<![\w!])!(?=[\w=])|(?<=\s)!(?==)"
MARKS = re.compile(f"{AT_DIGITS}|{BETWEEN}")


def normalise(text: str) -> str:
    """NFKC, case folded, runs of white space as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def prompt_text(row: Row) -> str:
    """The contents of the row's messages, normalised, in one line."""
    return " ".join(normalise(message.content) for message in row.messages)


def letters(row: Row) -> str:
    """The row's prompt without blanks and punctuation, but for what changes its meaning; as it is
    if nothing else is in it."""
    text = prompt_text(row).translate(MINUS)
    marks = {match.start() for match in MARKS.finditer(text)}
    kept = (c for at, c in enumerate(text) if at in marks or _significant(c))
    return "".join(kept) or text


def row_hashes(row: Row) -> tuple[str, str]:
    """The row's key and the hash of its letters, 16 hex digits each.

    Rows that share one of them are the same row wherever a row may be used only once: one more
    comma does not make a judged row fresh, nor a training row unseen.
    """
    return row.key, digest_text(letters(row))[:16]


def _significant(character: str) -> bool:
    if character in DRAWN:
        return False
    return character.isalnum() or unicodedata.category(character) in SIGNIFICANT
