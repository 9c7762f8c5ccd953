"""The ledger's hash chain: each entry names, by digest, those that its writer saw last. Pure.

Writers that race name the same entry before them, and the next one would name only the last of
them. So it names the others as well (`details.beside`), as a merge commit names its parents: from
the newest entry every one is reached.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from pawl.ledger.entries import Entry

BESIDE = "beside"
# A race lasts seconds: what nobody has named by then is among the newest.
RECENT = 100


def link_entry(entry: Entry, seen: Sequence[Entry]) -> Entry:
    """The new entry with its parents: `previous`, and `details.beside` after a race.

    `seen` is the ledger as its writer read it, oldest first.
    """
    recent = seen[-RECENT:]
    named = {digest for one in recent for digest in parents(one)}
    unnamed = [digest for one in recent if (digest := one.digest) not in named]
    if not unnamed:
        return dataclasses.replace(entry, previous="")
    details = entry.details | ({BESIDE: unnamed[:-1]} if unnamed[:-1] else {})
    return dataclasses.replace(entry, previous=unnamed[-1], details=details)


def broken_links(entries: Iterable[Entry]) -> tuple[int, ...]:
    """Numbers that are missing, and those of entries whose parent is no earlier entry.

    Empty for a ledger that nobody tampered with: an entry that was edited no longer has the digest
    that its followers name, one that was deleted leaves a gap.
    """
    digests = {""}
    broken: list[int] = []
    last = 0
    for entry in sorted(entries, key=lambda entry: entry.number):
        broken += range(last + 1, entry.number)
        if not digests.issuperset(parents(entry)):
            broken.append(entry.number)
        digests.add(entry.digest)
        last = entry.number
    return tuple(broken)


def ancestors(entries: Iterable[Entry], of: Iterable[Entry]) -> frozenset[int]:
    """Numbers of the entries that `of` name, directly or through others, and their own."""
    by_digest = {entry.digest: entry for entry in entries}
    reached: dict[int, Entry] = {}
    waiting = list(of)
    while waiting:
        entry = waiting.pop()
        if entry.number not in reached:
            reached[entry.number] = entry
            waiting += [by_digest[one] for one in parents(entry) if one in by_digest]
    return frozenset(reached)


def parents(entry: Entry) -> tuple[str, ...]:
    """The digests of the entries that its writer saw last; '' for none."""
    return (entry.previous, *entry.details.get(BESIDE, ()))
