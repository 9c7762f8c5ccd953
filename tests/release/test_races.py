"""Several processes write to one SQLite store at once; none is lost and one wins."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from workbench import TASK, Bench

from pawl.core.records import Champion
from pawl.cycle.conclude import conclude
from pawl.cycle.snapshots import snapshot_champion
from pawl.errors import PawlError, RegistryError
from pawl.ledger.entries import replay_entries
from pawl.ledger.hash_chain import broken_links
from pawl.ledger.ledger import append, entries
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_state
from pawl.release.history import history
from pawl.release.release import promote, rollback
from pawl.store.client import open_store
from pawl.store.registry import get_alias
from pawl.workspace.paths import Workspace

# fork would share MLflow's open SQLite connections; a fresh interpreter is what a rival is.
SPAWN = multiprocessing.get_context("spawn")
ROUNDS = 5


def _promote(root: Path, version: int, gate: object, said: object) -> None:
    workspace = Workspace(root)
    store = open_store(workspace)
    gate.wait()  # type: ignore[attr-defined]
    try:
        promote(workspace, store, TASK, version, why="race", who=str(version), override=True)
    except RegistryError as error:
        said.put((version, "void" if "is void" in error.found else error.found))  # type: ignore[attr-defined]
    except PawlError as error:
        said.put((version, error.found))  # type: ignore[attr-defined]
    else:
        said.put((version, "won"))  # type: ignore[attr-defined]


def _append(root: Path, who: int, gate: object) -> None:
    store = open_store(Workspace(root))
    gate.wait()  # type: ignore[attr-defined]
    for number in range(ROUNDS):
        append(
            store,
            TASK,
            op_id=f"{who}-{number}",
            kind="promote",
            expected=Champion(),
            new=Champion(who, "d" * 64),
            who=str(who),
            why="race",
        )


def test_of_two_processes_that_promote_at_once_one_wins_and_both_are_on_record(
    bench: Bench,
) -> None:
    bench.cycle(1)
    for seed in (2, 3):
        bench.cycle(seed, "reject")
    gate, said = SPAWN.Barrier(2), SPAWN.Queue()
    racers = [
        SPAWN.Process(target=_promote, args=(bench.workspace.root, version, gate, said))
        for version in (2, 3)
    ]
    for racer in racers:
        racer.start()
    outcome = dict(said.get(timeout=120) for _ in racers)
    for racer in racers:
        racer.join()
    # One may read the ledger only after the other has written: then both count, one after the
    # other, and that is no race. What can never be is that both replaced the same champion.
    releases = history(bench.store, TASK)
    replaced = [row.from_ for row in releases]
    assert len(replaced) == len(set(replaced))
    assert list(outcome.values()).count("won") == len(releases) - 1 >= 1
    assert set(outcome.values()) <= {"won", "void"}
    written = [e for e in entries(bench.store, TASK) if e.why == "race"]
    assert len(written) == 2
    champion = read_state(bench.store, TASK).champion.version
    assert get_alias(bench.store, TASK) == champion == releases[-1].version


def _conclude(root: Path, gate: object, said: object) -> None:
    workspace = Workspace(root)
    store = open_store(workspace)
    gate.wait()  # type: ignore[attr-defined]
    cycle = conclude(workspace, store, TASK, question="q3", who="Ada", why="race")
    said.put(("cycle", cycle.verdict, cycle.stale, cycle.reasons))  # type: ignore[attr-defined]


def _roll_back(root: Path, gate: object, said: object) -> None:
    workspace = Workspace(root)
    store = open_store(workspace)
    gate.wait()  # type: ignore[attr-defined]
    try:
        rollback(workspace, store, TASK, why="race", who="Bo", to=1)
    except RegistryError as error:
        said.put(("rollback", "is void" in error.found))  # type: ignore[attr-defined]
    else:
        said.put(("rollback", False))  # type: ignore[attr-defined]


def test_a_rollback_and_a_verdict_that_race_never_both_replace_the_same_champion(
    bench: Bench,
) -> None:
    for seed in (1, 2):
        bench.cycle(seed)
    bench.train(3)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge("promote", champion, reserve_look(bench.workspace, bench.store, TASK))
    gate, said = SPAWN.Barrier(2), SPAWN.Queue()
    racers = [
        SPAWN.Process(target=racer, args=(bench.workspace.root, gate, said))
        for racer in (_conclude, _roll_back)
    ]
    for racer in racers:
        racer.start()
    outcome = {words[0]: words[1:] for words in (said.get(timeout=120) for _ in racers)}
    for racer in racers:
        racer.join()
    verdict, stale, reasons = outcome["cycle"]
    (void,) = outcome["rollback"]
    races = [
        (row.kind, row.from_, row.version)
        for row in history(bench.store, TASK)
        if row.why == "race"
    ]
    if stale:
        # The rollback came first: nothing was promoted over a champion that it was not judged by.
        assert verdict == "inconclusive"
        assert "version 1 became champion (rollback by Bo: race)" in reasons[0]
        assert (races, void) == ([("rollback", 2, 1)], False)
    else:
        assert races[0] == ("promote", 2, 3)
        # The rollback saw the new champion, or lost the race.
        assert races[1:] == ([] if void else [("rollback", 3, 1)])
        assert verdict == ("promote" if void else verdict)
    assert get_alias(bench.store, TASK) == read_state(bench.store, TASK).champion.version


def test_entries_of_racing_writers_are_all_kept_and_exactly_one_counts(bench: Bench) -> None:
    gate = SPAWN.Barrier(3)
    writers = [
        SPAWN.Process(target=_append, args=(bench.workspace.root, who, gate)) for who in (1, 2, 3)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    written = entries(bench.store, TASK)
    assert [entry.number for entry in written] == list(range(1, 3 * ROUNDS + 1))
    assert len({entry.op_id for entry in written}) == 3 * ROUNDS
    assert replay_entries(written).releases == (written[0],)
    assert broken_links(written) == ()
