"""The alias `champion`: it follows the ledger, and a person who moved it by hand is noted.

The registered model's tag `pawl.projected` names the release that the alias was last set from. So
an alias that lags behind (its writer died between the ledger and the alias) differs from one that
was moved by hand; only the latter is noted, in the tag `pawl.strayed`, before it is set back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from pawl.core.records import to_json
from pawl.errors import RegistryError
from pawl.ledger.entries import UNEARNED, Entry, State, replay_entries
from pawl.ledger.ledger import counting_entries
from pawl.ledger.manual_changes import (
    Alias,
    ManualMove,
    current_manual_move,
    moved_by_hand,
    projected_entry_missing,
)
from pawl.store.client import Store
from pawl.store.registry import set_alias
from pawl.store.version_tags import listed_version, mark_version, read_model, tag_model

PROJECTED, STRAYED = "pawl.projected", "pawl.strayed"
# A release under way moves the alias some milliseconds after its entry: look twice, so far apart.
PAUSE = 0.5
Action = Literal["done", "leave in doubt", "check listing", "look again", "set alias"]


@dataclass(frozen=True)
class Step:
    """The next step of bringing the alias in line with the ledger.

    'done': it is. 'leave in doubt': the alias was set from an entry that is gone, so it stays.
    'check listing': find out whether MLflow lists the champion, then ask again. 'look again': it
    seems moved by hand; read both once more after a pause. 'set alias': to `version` (None: remove
    it), noting a manual move first where `note_move`; then tag it as set from the entry
    `projected`, if any, and mark the overrides and adoptions after entry `marked`.
    """

    action: Action
    version: int | None = None
    note_move: bool = False
    projected: Entry | None = None
    marked: int = 0


def read_alias(store: Store, task: str) -> Alias:
    """The alias `champion` of a task with the tags that belong to it.

    Raises:
        RegistryError: a tag was edited by hand.
    """
    version, tags = read_model(store, task)
    try:
        number, _, digest = tags.get(PROJECTED, "").partition(":")
        move = tags.get(STRAYED)
        return Alias(
            version=version,
            projected=(int(number), digest) if number else None,
            manual_move=TypeAdapter(ManualMove).validate_json(move) if move else None,
        )
    except (ValueError, ValidationError) as error:
        raise RegistryError(
            f"a tag of the registered model '{task}' is garbled: {error}",
            rule=f"the tags {PROJECTED} and {STRAYED} are written by Pawl alone",
            remedy="delete that tag in MLflow",
        ) from error


def next_step(
    alias: Alias,
    written: Sequence[Entry],
    *,
    release: Entry | None = None,
    listed: bool | None = None,
    seen_before: Alias | None = None,
) -> Step:
    """The next step towards an alias that follows the ledger. Pure.

    Args:
        alias: as it was read; before the ledger, so that the entry it was set from is in there.
        written: all entries of the ledger that count.
        release: the caller's own release, of a version that it saw listed. An adoption settles
            what is in doubt, and what was moved by hand.
        listed: whether MLflow lists the champion; None: not known yet.
        seen_before: the alias when it last seemed moved by hand.
    """
    state = replay_entries(written)
    last = state.releases[-1] if state.releases else None
    adopted = release is not None and release.kind == "adopt" and release == last
    gone = projected_entry_missing(written, alias)
    if gone and not adopted:
        return Step("leave in doubt")
    projected = last and (last.number, last.digest)
    if alias.version == state.champion.version and alias.projected == projected:
        return Step("done")
    if state.champion.version is None or (release and release.new == state.champion):
        listed = True
    if listed is None:
        return Step("check listing")
    # The alias cannot point at a version that is gone, and must not at what took its number.
    version = state.champion.version if listed else None
    projects = last if listed else None
    if alias.version == version and projects is None:
        return Step("done")
    move = moved_by_hand(alias, state) and not adopted
    # Whoever moves the alias reads the ledger once more, so that the alias of an earlier release
    # does not stay; for a moment it may look as if a person had moved it.
    if move and alias != seen_before:
        return Step("look again")
    # Where it was set from a ledger that was deleted since, none of the present one is marked yet.
    marked = 0 if gone or alias.projected is None else alias.projected[0]
    return Step("set alias", version, note_move=move, projected=projects, marked=marked)


def project(
    store: Store, task: str, *, release: Entry | None = None
) -> tuple[State, ManualMove | None]:
    """Point the alias at the ledger's champion; return the ledger's state and the manual move.

    The manual move is the one since the last release, if any; it is noted before the alias is set.
    `release` is the caller's own (see `next_step`); it counts even where the alias cannot be set.
    """
    seen_before: Alias | None = None
    try:
        while True:
            # The alias first: the entry that it was set from was in the ledger by then.
            alias, written = read_alias(store, task), counting_entries(store, task)
            state = replay_entries(written)
            step_of = partial(next_step, alias, written, release=release, seen_before=seen_before)
            step = step_of()
            if step.action == "check listing":
                step = step_of(listed=listed_version(store, task, state.champion) is not None)
            if step.action in ("done", "leave in doubt"):
                return state, current_manual_move(alias, state)
            if step.action == "look again":
                seen_before = alias
                time.sleep(PAUSE)
            else:
                _set_alias(store, task, step, alias=alias, state=state)
    except RegistryError as error:
        raise RegistryError(
            f"the ledger is unaffected, but the alias could not follow it: {error.found}",
            rule=f"the champion of '{task}' is what the ledger says, and the alias follows it",
            remedy=f"once the store answers again: `pawl status {task}` sets the alias right",
        ) from error


def _set_alias(store: Store, task: str, step: Step, *, alias: Alias, state: State) -> None:
    if step.note_move:
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        move = ManualMove(alias.version, when, state.releases[-1].number if state.releases else 0)
        tag_model(store, task, key=STRAYED, value=json.dumps(to_json(move)))
    if alias.version != step.version:
        set_alias(store, task, step.version)
    if step.projected is not None:
        for entry in state.releases:
            if entry.number > step.marked and entry.kind in UNEARNED and entry.new is not None:
                version, key = entry.new.version or 0, f"pawl.{entry.kind}"
                mark_version(store, task, version, key=key, value=entry.mark)
        projected = f"{step.projected.number}:{step.projected.digest}"
        tag_model(store, task, key=PROJECTED, value=projected)
