"""A verdict follows from what its run has stored, and from nothing else."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from workbench import BASE, TASK, Bench

from pawl.commands.replay import _derived, replay
from pawl.config.judging import Gate
from pawl.core.files import digest_file, digest_json, write_lines
from pawl.core.records import (
    Champion,
    Contender,
    EvalReport,
    Look,
    Score,
    Verdict,
    read_record,
    write_record,
)
from pawl.core.sealing import KEY, seal
from pawl.cycle.snapshots import snapshot_champion
from pawl.errors import RegistryError, UsageError
from pawl.gate.rules import EDITION
from pawl.gate.run import gate, judge
from pawl.ledger.looks import reserve_look
from pawl.store.versions import get
from pawl.workspace.paths import TaskFiles

# Stands nowhere but in gate answers and gate scores; no digest or time of day holds such a thing.
ANSWER, RATE = "kingfisher", "0.7654"


def judged(
    bench: Bench,
    *,
    disclosure: str = "full",
    floor: float = 0.1,
    right: float = 1.0,
    edition: int | None = None,
) -> str:
    """A cycle with evidence as `evaluate` leaves it and the verdict of the gate stage itself.

    `edition`: the verdict of a Pawl whose gate had this edition of the rules.
    """
    bench.params(floors={"exact_match": floor}, min_rows=10, disclosure=disclosure)
    digest = bench.train(1)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    look = reserve_look(bench.workspace, bench.store, TASK)
    leave_evaluation(bench, digest, champion, look, right=right)
    if disclosure == "sealed":
        sealed_folder(bench.workspace.files(TASK).eval)
    gate(bench.workspace, TASK)
    if edition is not None:
        files = bench.workspace.files(TASK)
        earlier = judge(files, bench.workspace.task(TASK).gate, edition=edition)
        write_record(files.verdict, earlier)
    return bench.conclude("q").verdict


def sealed_folder(folder: Path) -> None:
    sealed = seal({path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()})
    shutil.rmtree(folder)
    folder.mkdir()
    for name, data in sealed.items():
        (folder / name).write_bytes(data)


def leave_evaluation(
    bench: Bench, candidate: str, champion: Champion, look: Look, *, right: float
) -> None:
    folder = bench.workspace.files(TASK).eval
    shutil.rmtree(folder)
    folder.mkdir()
    scores = [
        Score(f"r{i}", f"k{i}", name, split, ANSWER, {"exact_match": float(i < share * count)})  # type: ignore[arg-type]
        for name, share in (("candidate", right), ("zero-shot", 0.0))
        for split, count in (("dev", 4), ("gate", 20))
        for i in range(count)
        if (name, split) != ("zero-shot", "dev")
    ]
    scores = [dataclasses.replace(s, output="free") if s.split == "dev" else s for s in scores]
    write_lines(folder / "rows.jsonl", map(dataclasses.asdict, scores))
    rate = {"exact_match": float(RATE)}
    contenders = (
        Contender("candidate", "dev", 4, {"exact_match": 0.5}, 1, 1, adapter=candidate),
        Contender("candidate", "gate", 20, rate, 1, 1, adapter=candidate),
        Contender("zero-shot", "gate", 20, rate, 1, 1),
    )
    gate_ids = digest_json([f"r{i}" for i in range(20)])
    digest = digest_file(folder / "rows.jsonl")
    report = EvalReport(
        TASK, BASE.digest, candidate, champion, look, gate_ids, 0, contenders, {}, digest
    )
    write_record(folder / "report.json", report)


@pytest.fixture(autouse=True)
def _own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, str(tmp_path / "owner" / "seal.key"))


def run_folder(bench: Bench) -> Path:
    run = get(bench.store, TASK, 1).run_id
    (folder,) = bench.workspace.home.rglob(f"{run}/artifacts")
    return folder


@pytest.mark.parametrize("disclosure", ["full", "sealed"])
def test_the_stored_evidence_gives_the_same_verdict_again(bench: Bench, disclosure: str) -> None:
    assert judged(bench, disclosure=disclosure) == "promote"
    # Nothing of the workspace is needed, not even its parameters of today.
    shutil.rmtree(bench.workspace.root / "build")
    bench.params(alpha=0.2)
    seen = replay(bench.store, TASK, 1)
    assert (seen.same, seen.recorded, seen.derived) == (True, "promote", "promote")


def test_edited_rows_or_an_edited_verdict_show_as_a_difference(bench: Bench) -> None:
    judged(bench)
    verdict = run_folder(bench) / "verdict.json"
    kept = verdict.read_text()
    verdict.write_text(kept.replace('"decision": "promote"', '"decision": "reject"'))
    seen = replay(bench.store, TASK, 1)
    assert not seen.same
    assert seen.differs == (
        "`decision` of the verdict",
        "the version was registered with another verdict: this one came later",
        "the ledger names another verdict than this one",
        "the version's tag says 'promote'",
    )
    verdict.write_text(kept)
    rows = run_folder(bench) / "eval" / "rows.jsonl"
    rows.write_text(rows.read_text().replace("0.0", "1.0"))
    (said,) = replay(bench.store, TASK, 1).differs
    assert said == "eval/rows.jsonl is not what the evaluation wrote"


def test_evidence_and_verdict_rewritten_together_are_not_what_the_ledger_names(
    bench: Bench,
) -> None:
    judged(bench)
    files = TaskFiles(run_folder(bench))
    rows = files.eval / "rows.jsonl"
    rows.write_text(rows.read_text().replace(ANSWER, "nightingale"))
    report = read_record(files.eval / "report.json", EvalReport)
    forged = dataclasses.replace(report, scores=digest_file(rows))
    write_record(files.eval / "report.json", forged)
    write_record(files.verdict, judge(files, bench.workspace.task(TASK).gate))
    assert replay(bench.store, TASK, 1).differs == (
        "the version was registered with another verdict: this one came later",
        "the ledger names another verdict than this one",
    )


def test_a_verdict_that_was_never_released_cannot_be_rewritten_unseen_either(bench: Bench) -> None:
    judged(bench, floor=0.9, right=0.85)
    assert get(bench.store, TASK, 1).verdict == "reject"
    files = TaskFiles(run_folder(bench))
    rows = files.eval / "rows.jsonl"
    rows.write_text(rows.read_text().replace(ANSWER, "nightingale"))
    report = read_record(files.eval / "report.json", EvalReport)
    write_record(files.eval / "report.json", dataclasses.replace(report, scores=digest_file(rows)))
    write_record(files.verdict, judge(files, bench.workspace.task(TASK).gate))
    (said,) = replay(bench.store, TASK, 1).differs
    assert said == "the version was registered with another verdict: this one came later"


@pytest.mark.parametrize("policy", ["{}", '{"gate": {"alpha": 7}}', '{"gate": {"metrik": "x"}}'])
def test_a_policy_that_was_altered_is_an_error_that_says_so(bench: Bench, policy: str) -> None:
    judged(bench)
    bench.store.client.set_model_version_tag(TASK, "1", "pawl.params", policy)
    with pytest.raises(RegistryError, match=r"version 1 of 'tickets' carries no gate policy"):
        replay(bench.store, TASK, 1)


def test_what_was_judged_sealed_stays_sealed_when_the_policy_is_opened(bench: Bench) -> None:
    judged(bench, disclosure="sealed")
    bench.params(floors={"exact_match": 0.1}, min_rows=10, disclosure="full")
    gate(bench.workspace, TASK)
    assert found(bench, ANSWER) == []
    verdict = json.loads(bench.workspace.files(TASK).verdict.read_text())
    assert verdict["reasons"] == ["sealed gate: every rule holds"]
    assert (verdict["comparisons"], set(verdict["scores"])) == ([], {"candidate (dev)"})


def test_evidence_that_is_gone_and_a_missing_key_are_errors_that_say_so(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(bench, disclosure="sealed")
    monkeypatch.setenv(KEY, str(tmp_path / "nobody"))
    with pytest.raises(UsageError, match="the key to sealed evidence"):
        replay(bench.store, TASK, 1)
    shutil.rmtree(run_folder(bench) / "eval")
    with pytest.raises(RegistryError, match="has no eval"):
        replay(bench.store, TASK, 1)
    with pytest.raises(UsageError, match="no version 9"):
        replay(bench.store, TASK, 9)


def test_a_sealed_cycle_says_pass_or_fail_and_no_more(bench: Bench) -> None:
    assert judged(bench, disclosure="sealed") == "promote"
    assert found(bench, "free"), "dev answers are free to look at, and the search finds them"
    assert found(bench, ANSWER) == []
    assert found(bench, RATE) == []
    verdict = json.loads(bench.workspace.files(TASK).verdict.read_text())
    assert verdict["reasons"] == ["sealed gate: every rule holds"]
    assert verdict["scores"] == {"candidate (dev)": {"exact_match": 0.5}}
    metrics = bench.store.client.get_run(get(bench.store, TASK, 1).run_id).data.metrics
    assert not [name for name in metrics if name.startswith("gate/")]


def found(bench: Bench, needle: str) -> list[str]:
    """Files of the workspace with these bytes in them: build, tracking store, artifacts."""
    files = (path for path in bench.workspace.root.rglob("*") if path.is_file())
    return [path.name for path in files if needle.encode() in path.read_bytes()]


def test_a_verdict_of_an_earlier_edition_is_derived_by_the_rules_of_its_time(bench: Bench) -> None:
    assert judged(bench, edition=1, right=0.9) == "promote"
    stored = read_record(bench.workspace.files(TASK).verdict, Verdict)
    now = judge(bench.workspace.files(TASK), bench.workspace.task(TASK).gate)
    assert (stored.edition, now.edition) == (None, EDITION)
    assert stored.comparisons[0].p != now.comparisons[0].p, "or the editions would not differ"
    found = replay(bench.store, TASK, 1)
    assert (found.same, found.differs) == (True, ())


def test_a_verdict_of_a_later_edition_is_told_and_not_guessed_at(bench: Bench) -> None:
    judged(bench)
    path = bench.workspace.files(TASK).verdict
    later = dataclasses.replace(read_record(path, Verdict), edition=EDITION + 1)
    derived, differs = _derived(bench.workspace.files(TASK), Gate(), later)
    assert derived is None
    assert differs == [
        f"it was judged by edition {EDITION + 1} of the rules, this Pawl has {EDITION}"
    ]
