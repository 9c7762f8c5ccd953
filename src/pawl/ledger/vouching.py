"""Which ledger entries count: those that a trusted key has signed or vouched for. Pure.

An entry is signed by the machine that wrote it, and names those before it by digest. So a signature
vouches for all that its entry follows: for a ledger that Pawl 0.1 began without signatures, and for
entries under a key that is no longer trusted. An entry that neither is signed with a trusted key
nor is followed by one that is has no effect: whoever can write to MLflow can add such a one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pawl.ledger.entries import Entry
from pawl.ledger.hash_chain import ancestors, parents
from pawl.ledger.keys import TRUSTED
from pawl.ledger.signatures import is_signed

KIND = "ledger entry"
# How far the clocks of machines that write to one ledger may be apart.
SKEW = timedelta(hours=1)


def signed_content(entry: Entry, ledger: str) -> dict[str, object]:
    """What a writer signs: the entry's body, and the name of the ledger that it is for."""
    return {"ledger": ledger, "entry": entry.body}


def vouched(written: Sequence[Entry], ledger: str, trusted: Sequence[str]) -> tuple[Entry, ...]:
    """The entries that count. `trusted` are public keys (PEM)."""
    if not any(entry.signature for entry in written):
        # A ledger of Pawl 0.1, until the first signed entry.
        return tuple(written)
    signed = [one for one in written if _is_signed(one, ledger, trusted)]
    numbers = ancestors(written, signed)
    return tuple(entry for entry in written if entry.number in numbers)


def vouching_problems(
    written: Sequence[Entry], counting: Sequence[Entry], trusted: Sequence[str]
) -> dict[int, str]:
    """What is wrong with who wrote the entries, and when; by entry number."""
    if not trusted and any(entry.signature for entry in written):
        return {written[-1].number: f"the ledger is signed, but {TRUSTED} is gone: see git"}
    numbers = {entry.number for entry in counting}
    problems = {
        entry.number: f"ledger entry {entry.number} ({entry.kind} by {entry.who!r}) is "
        + ("signed with no trusted key" if entry.signature else "not signed")
        + ", so it has no effect"
        for entry in written
        if entry.number not in numbers
    }
    return _unsigned_later(written) | _backdated(written) | problems


def _unsigned_later(written: Sequence[Entry]) -> dict[int, str]:
    """Entries without a signature after one that has one: theirs were taken off."""
    first = next((entry.number for entry in written if entry.signature), len(written) + 1)
    return {
        entry.number: f"ledger entry {entry.number} is not signed, though one before it is"
        for entry in written
        if entry.number > first and not entry.signature
    }


def _backdated(written: Sequence[Entry]) -> dict[int, str]:
    when = {entry.digest: datetime.fromisoformat(entry.when) for entry in written}
    problems = {}
    for entry in written:
        before = max((when[one] for one in parents(entry) if one in when), default=None)
        begun = when[written[0].digest]
        # Two first writers may race; a later one follows somebody.
        if before is None and abs(when[entry.digest] - begun) > SKEW:
            problems[entry.number] = (
                f"ledger entry {entry.number} follows none, though the ledger was begun on "
                f"{begun.isoformat()[:10]}: it is another ledger's"
            )
        if before and when[entry.digest] < before - SKEW:
            problems[entry.number] = (
                f"ledger entry {entry.number} says {entry.when[:19]}, but follows one of "
                f"{before.isoformat()[:19]}"
            )
    return problems


def _is_signed(entry: Entry, ledger: str, trusted: Sequence[str]) -> bool:
    return is_signed(entry.signature, KIND, signed_content(entry, ledger), trusted)
