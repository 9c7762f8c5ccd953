"""Who tells a lie: `pawl verify`, the next command, the auditor; and what it led to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import auditor
from workbench import TASK, manifest_of

from lielab.world import NEXT, World
from pawl.core.records import Cycle
from pawl.cycle.unjudged import find_cached_version
from pawl.errors import PawlError
from pawl.ledger.entries import Entry
from pawl.ledger.state import undoubted_state
from pawl.release.verify import verify

TOLD, NO_EFFECT, FOOLED, CRASH = "told", "no effect", "FOOLED", "CRASH"
Act = Callable[[World], "Said"]


class Said(NamedTuple):
    """What became of a lie, and the words that show it."""

    what: str
    words: str = ""


def by_verify(world: World) -> Said:
    def act() -> Said:
        checks = verify(world.bench.workspace, world.store(), TASK)
        wrong = [f"{check.name}: {check.found}" for check in checks if not check.ok]
        if wrong:
            return Said(TOLD, wrong[0])
        return same(world, world.view())

    return answered(act)


def by_auditor(world: World) -> Said:
    uri = world.bench.store.uri
    try:
        found, unverified = auditor.audit(uri, TASK, keys=world.keys, heads=[world.heads])
    except SystemExit as error:
        return Said(TOLD, str(error))
    if unverified:
        return Said(TOLD, f"unverified: {unverified[0]}")
    return Said(TOLD, found[0]) if found else same(world, answered_view(world))


def by_cycle(world: World, *, seed: int = NEXT) -> Said:
    """A cycle as the flow takes it: doubted, looked up, trained, judged, concluded."""

    def act() -> Said:
        before, store, question = world.honest, world.store(), f"question {seed}"
        undoubted_state(store, TASK)
        if (known := find_cached_version(store, TASK, question)) is not None:
            return Said(FOOLED, f"version {known.version} answers it: {known.verdict}")
        cycle: Cycle = world.bench.cycle(seed)
        odd = [reason for reason in cycle.reasons if reason != "the gate says promote"]
        if odd:
            return Said(TOLD, odd[0])
        view = world.view()
        mine = manifest_of(world.bench.workspace.files(TASK).adapter).digest
        good = (
            cycle.verdict == "promote"
            and view["champion"].digest == mine
            and view["alias"] == view["champion"].version
            and bare(view["releases"][:-1]) == bare(before["releases"])
            and bare(view["looks"][:-1]) == bare(before["looks"])
        )
        return Said(NO_EFFECT if good else FOOLED, f"{cycle.verdict}: {view['champion']}")

    return answered(act)


def by_command(release: Callable[[], Entry]) -> Said:
    """An operator's release, without `--override`, of what a lie made look well."""
    return answered(lambda: Said(FOOLED, f"entry {release().number} released it"))


def by_run(world: World) -> Said:
    """The real `pawl run`, a process of its own, on data that did not change."""
    command = [sys.executable, "-m", "pawl", "-C", str(world.root), "run", TASK, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Said(FOOLED, json.loads(done.stdout)["verdict"])
    return Said(CRASH if "Traceback" in done.stderr else TOLD, done.stderr)


def answered(act: Callable[[], Said]) -> Said:
    try:
        return act()
    except PawlError as error:
        return Said(TOLD if error.remedy else CRASH, error.found)
    except Exception as error:  # noqa: BLE001 - a traceback is what a lie may not lead to
        return Said(CRASH, repr(error))


def answered_view(world: World) -> dict[str, Any] | None:
    try:
        return world.view()
    except PawlError:
        return None


def same(world: World, view: dict[str, Any] | None) -> Said:
    """Whether commands take for true what was before the lie."""
    if view is None:
        return Said(NO_EFFECT)
    # An answer that is gone costs a training, and decides nothing.
    answers = zip(view["answers"], world.honest["answers"], strict=True)
    view = view | {"answers": [one or right for one, right in answers]}
    differs = [key for key in view if view[key] != world.honest[key]]
    return Said(FOOLED, f"other {', '.join(differs)}") if differs else Said(NO_EFFECT)


def bare(lines: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Releases or looks without their numbers, which entries in between shift."""
    return [line[1:] for line in lines]
