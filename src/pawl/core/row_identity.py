"""When two rows have the same prompt, however it was typed; for copies and for budgets."""

from __future__ import annotations

import unicodedata

from pawl.core.files import digest_text
from pawl.core.records import Example, HeldOutRow

Row = Example | HeldOutRow
# Unicode categories that change a text's meaning beside letters and digits: vowel signs of Indic
# scripts and accents without a composed form (Mn, Mc), and operators (Sm), as C++ is not C.
SIGNIFICANT = {"Mn", "Mc", "Sm"}


def normalise(text: str) -> str:
    """NFKC, case folded, runs of white space as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def prompt_text(row: Row) -> str:
    """The contents of the row's messages, normalised, in one line."""
    return " ".join(normalise(message.content) for message in row.messages)


def letters(row: Row) -> str:
    """The row's prompt without blanks and punctuation, or as it is if nothing else is in it."""
    text = prompt_text(row)
    return "".join(filter(_significant, text)) or text


def row_hashes(row: Row) -> tuple[str, str]:
    """The row's key and the hash of its letters, 16 hex digits each.

    Rows that share one of them are the same row wherever a row may be used only once: one more
    comma does not make a judged row fresh, nor a training row unseen.
    """
    return row.key, digest_text(letters(row))[:16]


def _significant(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character) in SIGNIFICANT
