"""A candidate waits for people to compare its answers, and what they said decides, unaltered."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from reviews import MINE, OTHER, judged_by_people, label, waiting_cycle
from workbench import TASK, Bench

from pawl.commands.dry_run import dry_run
from pawl.commands.replay import replay
from pawl.commands.resume import resume
from pawl.commands.review import Reviewing, review_status
from pawl.core.files import whole_folder
from pawl.core.records import Verdict, read_record
from pawl.core.sealing import KEY, seal
from pawl.cycle import reviewed
from pawl.cycle.outbox import refused_orders, waiting_orders
from pawl.cycle.steps import flush_outbox
from pawl.errors import DataError, UsageError
from pawl.gate.run import gate
from pawl.ledger.keys import make_keys
from pawl.ledger.ledger import entries
from pawl.ledger.state import read_state
from pawl.report.console import Terminal
from pawl.report.dry_run import show_dry_run
from pawl.store.registry import all_versions
from pawl.workspace.paths import Workspace


def labels_of(bench: Bench) -> Path:
    (path,) = (bench.workspace.home / "reviews" / TASK).iterdir()
    return path


def test_without_labels_a_cycle_ends_waiting_and_says_what_to_type(bench: Bench) -> None:
    cycle = waiting_cycle(bench)
    assert cycle.verdict == "waiting"
    assert "20 of 20 pairs" in cycle.reasons[0]
    assert f"`pawl review {TASK}`" in cycle.reasons[0]
    assert all_versions(bench.store, TASK) == []
    assert review_status(bench.workspace, TASK).pairs == 20


def test_a_dry_run_says_that_people_are_waited_for(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the stages would do is DVC's to say; this workspace has none.
    monkeypatch.setattr("pawl.commands.dry_run._ahead", lambda *_, **__: ())
    waiting_cycle(bench)
    found = dry_run(bench.workspace, bench.store, TASK, force=False)
    assert found.to_review == 20
    show_dry_run(found, console=Terminal(quiet=False))
    said = " ".join(capsys.readouterr().out.split())
    assert f"20 pairs of answers (`pawl review {TASK}`); --force gives it up" in said
    label(bench)
    assert dry_run(bench.workspace, bench.store, TASK, force=False).to_review == 0


def test_nothing_decides_before_the_last_planned_pair_is_labelled(bench: Bench) -> None:
    waiting_cycle(bench)
    reviewing = Reviewing(bench.workspace, TASK)
    for _ in range(19):
        pair = reviewing.next()
        assert pair is not None
        reviewing.say(pair.id, "left" if pair.left.startswith(MINE) else "right")
        if reviewing.status.labelled == 19:
            (cycle,) = resume(bench.workspace, TASK)
            assert cycle.verdict == "waiting"
            assert not any("preferred" in reason for reason in cycle.reasons)
    label(bench)
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.verdict == "promote", cycle.reasons
    assert "preferred in 20 of 20 pairs" in cycle.reasons[0]
    assert read_state(bench.store, TASK).champion.version == 1
    assert replay(bench.store, TASK, 1).same
    assert resume(bench.workspace, TASK) == []
    assert len(all_versions(bench.store, TASK)) == 1


def test_the_next_run_goes_on_with_the_labels_whatever_build_holds_by_then(bench: Bench) -> None:
    waiting_cycle(bench)
    label(bench, wins=3)
    bench.train(2)
    shutil.rmtree(bench.workspace.files(TASK).eval)
    assert flush_outbox(bench.workspace, TASK, "another question") is None
    (version,) = all_versions(bench.store, TASK)
    assert version.tags["pawl.verdict"] == "reject"
    assert waiting_orders(bench.workspace, TASK) == []


def test_while_people_are_asked_the_next_run_trains_nothing_unless_forced(bench: Bench) -> None:
    waiting_cycle(bench)
    held = flush_outbox(bench.workspace, TASK, "another question")
    assert held is not None
    assert held.verdict == "waiting"
    # --force trains another candidate, and the first is given up.
    second = waiting_cycle(bench, 2)
    assert second.verdict == "waiting"
    assert len(waiting_orders(bench.workspace, TASK)) == 1
    assert len(refused_orders(bench.workspace, TASK)) == 1
    label(bench)
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.candidate.digest == second.candidate.digest


@pytest.mark.slow
def test_a_second_candidate_is_compared_with_the_champion_and_pays_a_look_of_its_own(
    bench: Bench,
) -> None:
    waiting_cycle(bench)
    label(bench)
    resume(bench.workspace, TASK)
    judged_by_people(bench, 2)
    bench.conclude("question 2")
    label(bench, wins=13)
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.verdict == "inconclusive"
    assert "may prefer it to champion by luck" in cycle.reasons[0]
    assert [entry.kind for entry in entries(bench.store, TASK)] == ["look", "first", "look"]


def test_answers_that_say_the_same_are_ties_that_nobody_is_asked_about(bench: Bench) -> None:
    waiting_cycle(bench, same=6)
    status = review_status(bench.workspace, TASK)
    assert (status.pairs, status.same) == (14, 6)
    label(bench)
    (cycle,) = resume(bench.workspace, TASK)
    assert "preferred in 14 of 20 pairs, the other in 0, 6 ties" in cycle.reasons[0]
    assert cycle.verdict == "promote"


def test_what_shows_that_something_is_broken_asks_nobody(bench: Bench) -> None:
    judged_by_people(bench, 1, forgetting=0.1, same=0)
    files = bench.workspace.files(TASK)
    report = json.loads((files.eval / "report.json").read_text())
    report["general"] = {"base": 10.0, "candidate": 20.0}
    (files.eval / "report.json").write_text(json.dumps(report))
    gate(bench.workspace, TASK)
    assert read_record(files.verdict, Verdict).decision == "reject"


def test_the_sides_are_drawn_anew_for_each_pair_and_no_line_of_a_pair_tells_whose_is_which(
    bench: Bench,
) -> None:
    waiting_cycle(bench)
    reviewing, left = Reviewing(bench.workspace, TASK), []
    while (pair := reviewing.next()) is not None:
        assert {pair.left[:6], pair.right[:6]} == {MINE[:6], OTHER[:6]}
        left.append(pair.left.startswith(MINE))
        reviewing.say(pair.id, "tie")
    assert 3 < sum(left) < 17


def test_a_review_is_resumed_undone_and_says_who_and_when(bench: Bench) -> None:
    waiting_cycle(bench)
    first = Reviewing(bench.workspace, TASK)
    pair = first.next()
    assert pair is not None
    first.say(pair.id, "left")
    with pytest.raises(UsageError, match="has a label already"):
        first.say(pair.id, "right")
    again = Reviewing(bench.workspace, TASK)
    assert again.status.labelled == 1
    assert again.undo() == pair.id
    assert again.next() == pair
    again.say(pair.id, "right")
    lines = [json.loads(line) for line in labels_of(bench).read_text().splitlines()]
    assert [line["says"].get("choice") for line in lines] == [None, "left", "undo", "right"]
    assert all(line["says"]["who"] and line["says"]["when"] for line in lines[1:])


@pytest.mark.parametrize("attack", ["edit", "drop", "swap", "unsigned", "other key"])
def test_labels_that_were_edited_dropped_moved_or_never_signed_are_refused(
    bench: Bench, attack: str, tmp_path: Path
) -> None:
    waiting_cycle(bench)
    label(bench, wins=4)
    path = labels_of(bench)
    lines = path.read_text().splitlines(keepends=True)
    if attack == "edit":
        turned = {"left": "right", "right": "left"}
        line = json.loads(lines[3])
        line["says"]["choice"] = turned[line["says"]["choice"]]
        lines[3] = json.dumps(line) + "\n"
    elif attack == "drop":
        del lines[5]
    elif attack == "swap":
        lines[6], lines[7] = lines[7], lines[6]
    elif attack == "unsigned":
        lines[-1] = json.dumps({**json.loads(lines[-1]), "signature": None}) + "\n"
    else:
        bench.workspace.root.joinpath("pawl.pub").write_text(stranger(tmp_path))
    path.write_text("".join(lines))
    with pytest.raises(DataError, match="line") as raised:
        review_status(bench.workspace, TASK)
    assert "never edited" in raised.value.rule


def stranger(folder: Path) -> str:
    """The public key of another machine."""
    (folder / "stranger").mkdir()
    make_keys(Workspace(folder / "stranger"))
    return (folder / "stranger" / "pawl.pub").read_text()


def test_a_review_that_was_begun_anew_takes_no_label_of_the_sides_shown_before(
    bench: Bench,
) -> None:
    waiting_cycle(bench)
    reviewing = Reviewing(bench.workspace, TASK)
    pair = reviewing.next()
    assert pair is not None
    # As the remedy for labels that cannot be believed says; sides are drawn anew.
    labels_of(bench).rename(bench.workspace.root / "aside.jsonl")
    with pytest.raises(UsageError, match="begun anew"):
        reviewing.say(pair.id, "left")
    assert review_status(bench.workspace, TASK).labelled == 0


def test_a_label_taken_back_while_the_verdict_is_made_is_taken_back_after_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_cycle(bench)
    label(bench)
    undoing = threading.Thread(target=Reviewing(bench.workspace, TASK).undo)

    def meanwhile(folder: Path) -> AbstractContextManager[Path]:
        undoing.start()
        undoing.join(5)
        return whole_folder(folder)

    # Once the labels are read, and before they are copied to where they judge.
    monkeypatch.setattr(reviewed, "whole_folder", meanwhile)
    (cycle,) = resume(bench.workspace, TASK)
    undoing.join()
    assert cycle.verdict == "promote"


def test_an_order_without_a_policy_is_set_aside_and_told(bench: Bench) -> None:
    waiting_cycle(bench)
    (folder,) = waiting_orders(bench.workspace, TASK)
    order = json.loads((folder / "order.json").read_text())
    del order["params"]["gate"]
    (folder / "order.json").write_text(json.dumps(order))
    with pytest.raises(DataError, match="no gate policy"):
        review_status(bench.workspace, TASK)
    with pytest.raises(DataError, match="no gate policy"):
        resume(bench.workspace, TASK)
    assert len(refused_orders(bench.workspace, TASK)) == 1


def test_labels_that_cannot_be_believed_decide_nothing_and_lose_nothing(bench: Bench) -> None:
    waiting_cycle(bench)
    label(bench, wins=4)
    path = labels_of(bench)
    before = path.read_text()
    path.write_text(before.replace('"tie"', '"left"').replace("right", "left"))
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.verdict == "waiting"
    assert "never edited" in cycle.reasons[1]
    path.write_text(before)
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.verdict == "reject"


@pytest.mark.slow
def test_labels_of_other_answers_are_refused(bench: Bench, tmp_path: Path) -> None:
    waiting_cycle(bench)
    label(bench)
    mine = labels_of(bench)
    # The same key, so that only what the labels are of tells them apart.
    waiting_cycle(bench, 2)
    Reviewing(bench.workspace, TASK)
    (other,) = {*mine.parent.iterdir()} - {mine}
    shutil.copy(mine, other)
    with pytest.raises(DataError, match="labels of other pairs"):
        Reviewing(bench.workspace, TASK)
    other.unlink()
    reviewing = Reviewing(bench.workspace, TASK)
    with pytest.raises(UsageError, match="no pair"):
        reviewing.say("f" * 64, "left")


def test_a_line_that_a_killed_process_left_half_never_counted(bench: Bench) -> None:
    waiting_cycle(bench)
    label(bench)
    path = labels_of(bench)
    path.write_bytes(path.read_bytes()[:-7])
    assert review_status(bench.workspace, TASK).labelled == 19
    label(bench)
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.verdict == "promote"


def test_labels_in_build_are_no_labels(bench: Bench) -> None:
    waiting_cycle(bench)
    label(bench)
    shutil.copy(labels_of(bench), bench.workspace.files(TASK).review)
    gate(bench.workspace, TASK)
    assert read_record(bench.workspace.files(TASK).verdict, Verdict).decision == "waiting"


def test_under_a_sealed_gate_labels_are_sealed_too_and_pass_or_fail_is_all_that_is_said(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, str(tmp_path / "seal.key"))
    judged_by_people(bench, 1, disclosure="sealed")
    files = bench.workspace.files(TASK)
    names = ("rows.jsonl", "report.json")
    contents = seal({name: (files.eval / name).read_text() for name in names})
    for name in names:
        (files.eval / name).unlink()
    for name, data in contents.items():
        (files.eval / name).write_bytes(data)
    gate(bench.workspace, TASK)
    cycle = bench.conclude("question 1")
    assert cycle.verdict == "waiting"
    label(bench)
    text = labels_of(bench).read_text()
    assert "left" not in text
    assert "seed" not in text
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.reasons[0] == "sealed gate: every rule holds"
    assert replay(bench.store, TASK, 1).same
    told = [
        path
        for path in (tmp_path / "ws").rglob("*")
        if path.is_file() and (MINE in (said := path.read_text(errors="replace")) or OTHER in said)
    ]
    assert told == []


def test_where_no_candidate_waits_a_review_says_how_one_comes_to(bench: Bench) -> None:
    with pytest.raises(UsageError, match="no candidate of") as raised:
        Reviewing(bench.workspace, TASK)
    assert "gate.metric: preference" in raised.value.remedy
