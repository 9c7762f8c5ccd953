"""When two rows ask the same, however they were typed: the rule that copies and budgets share."""

from __future__ import annotations

import unicodedata

from pawl.core.files import digest_text
from pawl.core.records import Example, HeldOutRow

Row = Example | HeldOutRow
# Beside letters and digits, what changes what a text says: vowel signs of Indic scripts and
# accents that have no composed form (Mn, Mc), and operators (Sm), as C++ is not C.
TELLING = {"Mn", "Mc", "Sm"}


def normalise(text: str) -> str:
    """NFKC, case folded, runs of white space as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def prompt_text(row: Row) -> str:
    """All that the row shows a model, normalised, in one line."""
    return " ".join(normalise(message.content) for message in row.messages)


def letters(row: Row) -> str:
    """The row's prompt without blanks and punctuation; where nothing else is there, as it is."""
    text = prompt_text(row)
    told = "".join(c for c in text if c.isalnum() or unicodedata.category(c) in TELLING)
    return told or text


def row_hashes(row: Row) -> tuple[str, str]:
    """The row's key and the hash of its letters, 16 hex digits each.

    Rows that share one of them count as the same wherever a row may be used only once: a comma
    more does not make a judged row a fresh one, nor a learned row an unseen one.
    """
    return row.key, digest_text(letters(row))[:16]
