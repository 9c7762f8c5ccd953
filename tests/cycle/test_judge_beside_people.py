"""A judge's votes wait with the candidate, count with people's labels, and stay as evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chat_server import Requests, judge, says, server
from reviews import MINE, judged_by_people, label
from workbench import TASK, Bench

from pawl.commands.replay import replay
from pawl.commands.resume import resume
from pawl.commands.review import review_status
from pawl.core.pairs import JUDGED
from pawl.core.records import Cycle, Verdict, read_record
from pawl.core.sealing import KEY, seal
from pawl.cycle.steps import check_and_split, snapshot_and_reserve
from pawl.errors import EndpointError
from pawl.gate.run import gate
from pawl.ledger.ledger import entries
from pawl.store.registry import all_versions
from pawl.store.runs import list_files


def warm(_: str, answer: str) -> float:
    return answer.startswith(MINE)


@contextmanager
def asked(bench: Bench, **habits: float) -> Iterator[tuple[dict[str, Any], Requests]]:
    """A policy with a judge that likes the candidate's answers, and what it was asked."""
    bench.workspace.root.joinpath("rubric.md").write_text("The warmer one.")
    with server(judge(warm, **habits)) as (url, requests):
        yield {"url": url, "model": "large", "rubric": "rubric.md"}, requests


def waiting(bench: Bench, policy: dict[str, Any], **more: Any) -> Cycle:
    judged_by_people(bench, 1, count=100, pairs=60, judge=policy, **more)
    return bench.conclude("question 1")


def test_the_votes_wait_with_the_candidate_and_the_verdict_is_replayed_without_the_judge(
    bench: Bench,
) -> None:
    with asked(bench, place=0.2, flips=0.1) as (policy, requests):
        cycle = waiting(bench, policy)
    assert cycle.verdict == "waiting"
    assert not any("large" in reason for reason in cycle.reasons)
    assert len(requests) == 100 * 2 * 2
    status = review_status(bench.workspace, TASK)
    assert status.pairs == 60
    assert status.judge.startswith("the judge large has compared 100 pairs: its choice followed")
    assert "agree" not in status.judge
    label(bench, wins=60, of=60)
    # The judge is gone by now.
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.verdict == "promote", cycle.reasons
    assert "the judge large takes part: on 100 pairs, corrected by people" in cycle.reasons[1]
    assert "followed the place in" in cycle.reasons[1]
    assert "a repeat changed" in cycle.reasons[1]
    (version,) = all_versions(bench.store, TASK)
    assert f"eval/{JUDGED}" in list_files(bench.store, version.run_id, "eval")
    found = replay(bench.store, TASK, 1)
    assert found.same, found.differs
    page = bench.workspace.files(TASK).page.read_text()
    assert "the judge large takes part" in page
    assert "Agrees with them" in page


def test_altered_votes_are_found_by_a_replay_and_block_a_verdict(bench: Bench) -> None:
    with asked(bench) as (policy, _):
        waiting(bench, policy)
    label(bench, wins=60, of=60)
    resume(bench.workspace, TASK)
    (version,) = all_versions(bench.store, TASK)
    (stored,) = bench.workspace.home.rglob(f"{version.run_id}/artifacts/eval/{JUDGED}")
    plain = stored.read_text()
    stored.write_text(plain.replace('"first"', '"second"', 1))
    found = replay(bench.store, TASK, 1)
    assert not found.same
    assert "eval/judge.jsonl is not what the evaluation wrote" in found.differs[0]
    stored.unlink()
    assert not replay(bench.store, TASK, 1).same


def test_a_judge_that_people_contradict_informs_and_decides_nothing(bench: Bench) -> None:
    with asked(bench) as (policy, _):
        waiting(bench, policy)
    label(bench, wins=25, of=60)
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.verdict == "reject"
    assert "informs and decides nothing" in cycle.reasons[1]
    assert "it chose as people did in 25 of 60 pairs" in cycle.reasons[1]
    verdict = read_record(bench.workspace.files(TASK).verdict, Verdict)
    assert verdict.decision == "waiting", "the stage's own: it has no labels"


def test_no_look_is_spent_while_the_judge_does_not_answer(bench: Bench) -> None:
    with asked(bench) as (policy, _):
        pass  # it has been there, and is down
    bench.params(metric="preference", judge=policy)
    bench.train(1)
    for step in (
        lambda: snapshot_and_reserve(bench.workspace, TASK),
        lambda: check_and_split(bench.workspace, TASK, timeout=60.0),
    ):
        with pytest.raises(EndpointError, match=r"large at .* does not answer") as raised:
            step()
        assert f"`pawl run {TASK}`" in raised.value.remedy
    assert list(entries(bench.store, TASK)) == []
    with asked(bench) as (policy, _):
        bench.params(metric="preference", judge=policy)
        snapshot_and_reserve(bench.workspace, TASK)
    assert [entry.kind for entry in entries(bench.store, TASK)] == ["look"]
    # That look is paid for: what was asked of the judge may lie there already.
    snapshot_and_reserve(bench.workspace, TASK)
    assert len(entries(bench.store, TASK)) == 1


def test_a_judge_that_says_nothing_of_use_leaves_the_labels_to_decide(bench: Bench) -> None:
    bench.workspace.root.joinpath("rubric.md").write_text("The warmer one.")
    with server(lambda *_: says("As a language model I love both!")) as (url, _):
        waiting(bench, {"url": url, "model": "large", "rubric": "rubric.md"})
    label(bench, wins=60, of=60)
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.verdict == "promote"
    assert "400 of 400 named no choice" in cycle.reasons[1]
    assert "informs and decides nothing" in cycle.reasons[1]


def test_under_a_sealed_gate_the_votes_are_sealed_and_nothing_is_said_of_the_judge(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, str(tmp_path / "seal.key"))
    with asked(bench) as (policy, _):
        judged_by_people(bench, 1, count=100, pairs=60, judge=policy, disclosure="sealed")
    files = bench.workspace.files(TASK)
    names = ("rows.jsonl", "report.json", JUDGED)
    contents = seal({name: (files.eval / name).read_text() for name in names})
    for name in names:
        (files.eval / name).unlink()
    for name, data in contents.items():
        (files.eval / name).write_bytes(data)
    gate(bench.workspace, TASK)
    bench.conclude("question 1")
    assert review_status(bench.workspace, TASK).judge == ""
    label(bench, wins=60, of=60)
    (cycle,) = resume(bench.workspace, TASK)
    assert cycle.reasons[0] == "sealed gate: every rule holds"
    assert "large" not in json.dumps(cycle.reasons)
    assert replay(bench.store, TASK, 1).same
