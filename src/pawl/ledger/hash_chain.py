"""Whether a ledger is whole: each entry names, by digest, those that its writer saw last. Pure.

Writers that race name the same entry before them, and the next one would name only the last of
them. So it names the others as well (`details.beside`), as a merge names its parents: from the
newest entry every one is reached.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from pawl.ledger.entries import Entry

BESIDE = "beside"
# A race lasts seconds: what nobody has named by then is among the newest.
RECENT = 100


def naming(entry: Entry, seen: Sequence[Entry]) -> Entry:
    """The entry with the names of what its writer saw: `previous`, and `beside` after a race."""
    recent = seen[-RECENT:]
    named = {digest for one in recent for digest in _named(one)}
    loose = [digest for digest in (one.digest for one in recent) if digest not in named]
    if not loose:
        return dataclasses.replace(entry, previous="")
    details = entry.details | ({BESIDE: loose[:-1]} if loose[:-1] else {})
    return dataclasses.replace(entry, previous=loose[-1], details=details)


def odd_numbers(entries: Iterable[Entry]) -> tuple[int, ...]:
    """Numbers that are missing, and those of entries that name what is no earlier entry.

    Empty for a ledger that nobody tampered with: an entry that was edited no longer has the digest
    that its followers name, one that was deleted leaves a gap.
    """
    known = {""}
    odd: list[int] = []
    last = 0
    for entry in sorted(entries, key=lambda entry: entry.number):
        odd += range(last + 1, entry.number)
        if not known.issuperset(_named(entry)):
            odd.append(entry.number)
        known.add(entry.digest)
        last = entry.number
    return tuple(odd)


def _named(entry: Entry) -> tuple[str, ...]:
    return (entry.previous, *entry.details.get(BESIDE, ()))
