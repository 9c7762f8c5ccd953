"""Changes by hand: an alias that was moved, ledger entries that were removed or altered. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pawl.core.records import Champion
from pawl.ledger.entries import Entry, State, replay_entries
from pawl.ledger.hash_chain import broken_links
from pawl.ledger.vouching import vouching_problems


@dataclass(frozen=True)
class ManualMove:
    """An alias moved by hand: where it pointed, when that was seen (UTC), after which release.

    It is shown until the next release, `adopt` included.
    """

    version: int | None
    seen: str
    after: int

    def message(self, task: str, state: State) -> str:
        """What happened and what can be done, for a person."""
        official = f"`pawl adopt {task} {self.version} --reason …` makes the change official"
        removed = "a task keeps a champion; `pawl rollback` releases another one"
        return (
            "the alias `champion` was moved by hand and pointed at "
            f"{Champion(self.version).label('nothing')} ({self.seen[:19]}); the ledger says "
            f"{state.champion.label('nothing')}, so it was set back; "
            f"{removed if self.version is None else official}"
        )


@dataclass(frozen=True)
class Alias:
    """The alias in MLflow: its version, the release it was last set from, the last manual move.

    `projected` is the number and digest of that release's ledger entry.
    """

    version: int | None = None
    projected: tuple[int, str] | None = None
    manual_move: ManualMove | None = None


def moved_by_hand(alias: Alias, state: State) -> bool:
    """Whether a person moved the alias, rather than that it lags behind the ledger. Pure."""
    if alias.version == state.champion.version:
        return False
    if alias.projected is None:
        return alias.version is not None
    number = alias.projected[0]
    then = next((e.new for e in state.releases if e.number == number and e.new), None)
    lags = state.releases[-1:] != () and number < state.releases[-1].number
    # Of an entry that is gone nobody can say where it pointed: `ledger_problems` reports that.
    return not (lags and (then is None or then.version == alias.version))


def current_manual_move(alias: Alias, state: State) -> ManualMove | None:
    """The manual move since the last release, None if there was none. Pure."""
    move, last = alias.manual_move, state.releases[-1].number if state.releases else 0
    return move if move and move.after == last else None


def ledger_problems(
    written: Sequence[Entry], counting: Sequence[Entry], alias: Alias, *, trusted: Sequence[str]
) -> tuple[tuple[int, str], ...]:
    """What is wrong with a ledger, by entry number; empty for a sound one. Pure.

    What a counted `adopt` accepted is no longer reported.

    Args:
        written: all entries.
        counting: those of them that count.
        trusted: public keys (PEM).
    """
    accepted: set[int] = set()
    for entry in replay_entries(counting).releases:
        if entry.kind == "adopt":
            accepted |= {int(number) for number in entry.details.get("accepted", ())}
            accepted |= set(range(int(entry.details.get("after", entry.number)), entry.number))
    broken = {n: f"ledger entry {n} was removed or altered" for n in broken_links(written)}
    found = vouching_problems(written, counting, trusted) | broken
    problems = [(number, text) for number, text in sorted(found.items()) if number not in accepted]
    if projected_entry_missing(counting, alias):
        number = alias.projected[0] if alias.projected else 0
        text = f"ledger entry {number}, which the alias was set from, is gone or altered"
        problems.append((number, text))
    return tuple(problems)


def projected_entry_missing(written: Sequence[Entry], alias: Alias) -> bool:
    """Whether the release that the alias was last set from is no longer in the ledger. Pure.

    Where a person named the champion since (`adopt`), that no longer matters.
    """
    if alias.projected is None:
        return False
    number, digest = alias.projected
    since = (entry for entry in written if entry.number >= number)
    return not any(e.kind == "adopt" or (e.number, e.digest) == (number, digest) for e in since)
