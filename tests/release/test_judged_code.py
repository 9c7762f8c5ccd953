"""A version that an earlier version of a scorer judged is named; one that today's judged is not."""

from __future__ import annotations

import dataclasses

import yaml
from workbench import TASK, Bench

from pawl.commands.compare import compare
from pawl.commands.report import report
from pawl.commands.status import status
from pawl.core.records import Verdict, read_record, to_json, write_record
from pawl.cycle.snapshots import snapshot_champion
from pawl.ledger.looks import reserve_look
from pawl.workspace.fingerprints import scorer_code

SAYS = "version 1 was judged by an earlier version of the scorer 'mine'"


def with_scorer(bench: Bench, helper: str) -> None:
    """The task's own scorer, which asks a helper of another file."""
    root = bench.workspace.root
    (root / "own.py").write_text(
        "from own_help import share\n\ndef mine(a, b):\n    return share(a)\n"
    )
    (root / "own_help.py").write_text(helper)
    path = bench.workspace.params_file
    params = yaml.safe_load(path.read_text())
    params["tasks"][TASK]["evaluate"] = {"scorers": {"mine": "own:mine"}}
    path.write_text(yaml.safe_dump(params))


def cycle(bench: Bench, seed: int) -> None:
    """A cycle whose verdict is told by which code its scorers were, as the gate tells it."""
    bench.train(seed)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge("promote", champion, reserve_look(bench.workspace, bench.store, TASK))
    path = bench.workspace.files(TASK).verdict
    code = scorer_code(bench.workspace.task(TASK).evaluate, bench.workspace.root)
    write_record(path, dataclasses.replace(read_record(path, Verdict), scorer_code=code))
    bench.conclude(f"question {seed}")


def test_a_changed_helper_of_a_scorer_marks_what_was_judged_by_the_one_before(bench: Bench) -> None:
    with_scorer(bench, "def share(text):\n    return 1\n")
    cycle(bench, 1)
    notes = status(bench.workspace, bench.store, TASK, repair=False).notes
    assert not [note for note in notes if "scorer" in note]

    with_scorer(bench, "def share(text):\n    return 0.5\n")
    notes = status(bench.workspace, bench.store, TASK, repair=False).notes
    assert [note for note in notes if note.startswith(SAYS)]

    cycle(bench, 2)
    notes = status(bench.workspace, bench.store, TASK, repair=False).notes
    assert not [note for note in notes if "scorer" in note], "the new champion was judged by it"
    found = report(bench.workspace, bench.store, TASK).notes
    assert [note for note in found if "scorer" in note] == [
        note for note in found if note.startswith(SAYS)
    ]
    assert compare(bench.store, TASK, 1, 2).other_scorers == ("mine",)
    assert compare(bench.store, TASK, 2, 2).other_scorers == ()


def test_another_range_is_another_scorer_and_a_verdict_without_one_says_nothing(
    bench: Bench,
) -> None:
    bench.cycle(1)
    verdict = read_record(bench.workspace.files(TASK).verdict, Verdict)
    assert "scorer_code" not in to_json(verdict), "verdicts of before stay as they were"
    with_scorer(bench, "def share(text):\n    return 1\n")
    notes = status(bench.workspace, bench.store, TASK, repair=False).notes
    assert not [note for note in notes if "scorer" in note]
    policy, root = bench.workspace.task(TASK).evaluate, bench.workspace.root
    other = dataclasses.replace(policy.own["mine"], best=5.0)
    wider = dataclasses.replace(policy, scorers={"mine": other})
    assert scorer_code(policy, root) != scorer_code(wider, root)
