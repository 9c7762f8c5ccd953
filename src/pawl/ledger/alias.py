"""The alias `champion`: a projection of the ledger, and what is noted where a person moved it.

The registered model's tag `pawl.projected` says from which release the alias was last set. So an
alias that merely lags behind (its writer died between the ledger and the alias) is told from one
that was moved by hand; only the latter is noted, in the tag `pawl.strayed`, before it is set back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from pawl.core.records import to_json
from pawl.errors import RegistryError
from pawl.ledger.entries import UNEARNED, Entry, State, replay_entries
from pawl.ledger.hash_chain import odd_numbers
from pawl.ledger.ledger import entries
from pawl.store.client import ALIAS, Store, none_if_absent, set_alias, store_errors
from pawl.store.version_tags import listed, mark_version

PROJECTED, STRAYED = "pawl.projected", "pawl.strayed"
# A release under way moves the alias some milliseconds after its entry: look twice, so far apart.
PAUSE = 0.5


@dataclass(frozen=True)
class ManualMove:
    """An alias moved by hand: where it pointed, when that was seen (UTC), after which release.

    The note stands until the next release, `adopt` included.
    """

    version: int | None
    seen: str
    after: int

    def says(self, task: str, state: State) -> str:
        """What a person is told of it."""
        official = f"`pawl adopt {task} {self.version} --reason …` makes the change official"
        removed = "a task keeps a champion; `pawl rollback` releases another one"
        return (
            f"the alias `champion` was moved by hand and pointed at {_name(self.version)} "
            f"({self.seen[:19]}); the ledger says {_name(state.champion.version)}, so it was set "
            f"back; {removed if self.version is None else official}"
        )


@dataclass(frozen=True)
class Alias:
    """What the registered model says: the alias's version, its last projection, what was noted.

    `projected` is the number and digest of a ledger entry.
    """

    version: int | None = None
    projected: tuple[int, str] | None = None
    strayed: ManualMove | None = None


def read_alias(store: Store, task: str) -> Alias:
    """The alias `champion` of a task with the notes beside it.

    Raises:
        RegistryError: the store cannot be reached, or a note was edited by hand.
    """
    with store_errors(store.uri):
        model = none_if_absent(lambda: store.client.get_registered_model(task))
    if model is None:
        return Alias()
    said, tags = model.aliases.get(ALIAS), model.tags
    try:
        number, _, digest = tags.get(PROJECTED, "").partition(":")
        noted = tags.get(STRAYED)
        return Alias(
            version=None if said is None else int(said),
            projected=(int(number), digest) if number else None,
            strayed=TypeAdapter(ManualMove).validate_json(noted) if noted else None,
        )
    except (ValueError, ValidationError) as error:
        raise RegistryError(
            f"a tag of the registered model '{task}' is garbled: {error}",
            rule=f"the tags {PROJECTED} and {STRAYED} are written by Pawl alone",
            remedy="delete that tag in MLflow",
        ) from error


def moved_by_hand(alias: Alias, state: State) -> bool:
    """Whether a person moved the alias, rather than that it lags behind the ledger. Pure."""
    if alias.version == state.champion.version:
        return False
    if alias.projected is None:
        return alias.version is not None
    number = alias.projected[0]
    then = next((e.new for e in state.releases if e.number == number and e.new), None)
    lags = state.releases[-1:] != () and number < state.releases[-1].number
    # Of an entry that is gone nobody can say where it pointed: that is for `doubts` to tell.
    return not (lags and (then is None or then.version == alias.version))


def doubts(written: Sequence[Entry], state: State, alias: Alias) -> tuple[str, ...]:
    """What is wrong with the ledger itself; empty if nobody tampered with it. Pure.

    What a counted `adopt` accepted is no longer in doubt.
    """
    accepted: set[int] = set()
    for entry in state.releases:
        if entry.kind == "adopt":
            accepted |= {int(number) for number in entry.details.get("accepted", ())}
            accepted |= set(range(int(entry.details.get("after", entry.number)), entry.number))
    found = [
        f"ledger entry {number} was removed or altered"
        for number in odd_numbers(written)
        if number not in accepted
    ]
    if missing(written, alias):
        number = alias.projected[0] if alias.projected else 0
        found.append(f"ledger entry {number}, which the alias was set from, is gone or altered")
    return tuple(found)


def missing(written: Sequence[Entry], alias: Alias) -> bool:
    """Whether the release that the alias was last set from is no longer in the ledger. Pure.

    Where a person named the champion since (`adopt`), that no longer matters.
    """
    if alias.projected is None:
        return False
    number, digest = alias.projected
    since = (entry for entry in written if entry.number >= number)
    return not any(e.kind == "adopt" or (e.number, e.digest) == (number, digest) for e in since)


def project(
    store: Store, task: str, *, written: Entry | None = None
) -> tuple[State, ManualMove | None]:
    """Point the alias at the ledger's champion; where it was moved by hand, note that first.

    Returns the ledger, folded, and what is noted since the last release. An alias that was set from
    an entry which is now missing stays where it is: what is in doubt there is the ledger. An alias
    cannot point at a champion that MLflow lists no more, and shall not at what bears its number.
    `written` is the caller's release of a version that it saw listed; an adoption settles doubts.

    Raises:
        RegistryError: the store cannot be reached; what the ledger says stands all the same.
    """
    try:
        return _project(store, task, by=written)
    except RegistryError as error:
        raise RegistryError(
            f"the ledger stands, but the alias could not follow it: {error.found}",
            rule=f"the champion of '{task}' is what the ledger says, and the alias projects it",
            remedy=f"once the store answers again: `pawl status {task}` sets the alias right",
        ) from error


def manual_move(alias: Alias, state: State) -> ManualMove | None:
    """The note on an alias that was moved by hand since the last release. Pure."""
    last = state.releases[-1].number if state.releases else 0
    return alias.strayed if alias.strayed and alias.strayed.after == last else None


def _project(store: Store, task: str, *, by: Entry | None) -> tuple[State, ManualMove | None]:
    seen_before: Alias | None = None
    while True:
        # The alias first: what it was set from was in the ledger by then.
        alias, written = read_alias(store, task), entries(store, task)
        state = replay_entries(written)
        last = state.releases[-1] if state.releases else None
        adopted = by is not None and by.kind == "adopt" and last == by
        if missing(written, alias) and not adopted:
            return state, manual_move(alias, state)
        said = (last.number, last.digest) if last else None
        if alias.version == state.champion.version and alias.projected == said:
            return state, manual_move(alias, state)
        stands = (by is not None and by.new == state.champion) or _stands(store, task, state)
        target = state.champion.version if stands else None
        if alias.version == target and not stands:
            return state, manual_move(alias, state)
        if moved_by_hand(alias, state) and not adopted:
            # Whoever moves the alias reads the ledger once more, so that the alias of an earlier
            # release does not stay; for a moment it may look as if a person had moved it.
            if seen_before != alias:
                seen_before = alias
                time.sleep(PAUSE)
                continue
            when = datetime.now(UTC).isoformat(timespec="milliseconds")
            note = ManualMove(alias.version, when, last.number if last else 0)
            _tag(store, task, STRAYED, json.dumps(to_json(note)))
        if alias.version != target:
            set_alias(store, task, target)
        if last is not None and stands:
            # Set from a ledger that was deleted since: of the present one nothing is marked yet.
            since = 0 if alias.projected is None or missing(written, alias) else alias.projected[0]
            _mark(store, task, state, since=since)
            _tag(store, task, PROJECTED, f"{last.number}:{last.digest}")


def _stands(store: Store, task: str, state: State) -> bool:
    """Whether MLflow lists the champion as the adapter that it is, if there is a champion."""
    if state.champion.version is None:
        return True
    return listed(store, task, state.champion) is not None


def _mark(store: Store, task: str, state: State, *, since: int) -> None:
    """Put `pawl.override` or `pawl.adopt` on the pages of versions so released after `since`."""
    for entry in state.releases:
        if entry.number > since and entry.kind in UNEARNED and entry.new is not None:
            says = f"{entry.why} ({entry.who}, {entry.when[:10]}, ledger entry {entry.number})"
            mark_version(store, task, entry.new.version or 0, key=f"pawl.{entry.kind}", value=says)


def _tag(store: Store, task: str, key: str, value: str) -> None:
    with store_errors(store.uri):
        store.client.set_registered_model_tag(task, key, value)


def _name(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"
