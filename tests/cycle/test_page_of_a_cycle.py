"""Every cycle leaves its verdict page, on disk and on its run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from workbench import TASK, Bench, held_out

from pawl.commands.flips import flips_of
from pawl.core.files import digest_file, write_lines
from pawl.core.records import (
    Champion,
    Comparison,
    Contender,
    Cycle,
    EvalReport,
    Example,
    Score,
    Verdict,
    read_record,
    to_json,
    write_record,
)
from pawl.core.sealing import SEALED
from pawl.cycle import verdict_page
from pawl.cycle.snapshots import snapshot_champion, snapshot_held_out
from pawl.cycle.unjudged import conclude_invalid, conclude_unchanged
from pawl.errors import DataError
from pawl.ledger.looks import reserve_look
from pawl.store.runs import fetch_file
from pawl.store.versions import get


def published(bench: Bench, cycle: Cycle, folder: Path) -> str:
    """The page on the cycle's run, which is also the one on disk."""
    stored = fetch_file(bench.store, cycle.run_id or "", "verdict.html", into=folder)
    assert stored.read_bytes() == bench.workspace.files(TASK).page.read_bytes()
    return stored.read_text(encoding="utf-8")


def evidence(bench: Bench, against: str = "champion") -> None:
    """Leave row scores of gate rows in build/: `against` has two right, the candidate one."""
    files, rows = bench.workspace.files(TASK), held_out("gate", 3)
    write_lines(files.check / "rows.jsonl", map(to_json, rows))
    right = {"candidate": ("gate-0",), against: ("gate-0", "gate-1")}
    scores = [
        Score(r.id, r.key, who, "gate", "yes" if ok else "a secret answer", {"exact_match": ok})
        for who in right
        for r in rows
        for ok in [float(r.id in right[who])]
    ]
    write_lines(files.eval / "rows.jsonl", map(to_json, scores))
    contenders = tuple(Contender(who, "gate", 3, {}, 10.0, 2.0) for who in right)
    digest = digest_file(files.eval / "rows.jsonl")
    report = EvalReport(TASK, "b", "c", Champion(), None, None, 0, contenders, {}, digest)
    write_record(files.eval / "report.json", report)


def judge_with_evidence(
    bench: Bench,
    seed: int,
    *,
    delivered: Sequence[Example] | None = None,
    against: str = "champion",
) -> Cycle:
    bench.train(seed)
    evidence(bench, against)
    if delivered is not None:
        rows = bench.workspace.files(TASK).check / "rows.jsonl"
        write_lines(rows, map(to_json, delivered))
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge("reject", champion, reserve_look(bench.workspace, bench.store, TASK))
    path = bench.workspace.files(TASK).verdict
    lost = Comparison(against, "exact_match", 1 / 3, 2 / 3, 0, 1, 0.9, 0.00125, False)
    verdict = read_record(path, Verdict)
    write_record(path, Verdict(**{**vars(verdict), "comparisons": (lost,)}))
    return bench.conclude(f"question {seed}")


def test_a_lost_row_that_the_delivery_dropped_is_shown_as_the_register_has_it(
    bench: Bench, tmp_path: Path
) -> None:
    evidence(bench)
    bench.cycle(1)
    snapshot_held_out(bench.workspace, bench.store, TASK)
    cycle = judge_with_evidence(bench, 2, delivered=held_out("gate", 1))
    assert "gate-1" in published(bench, cycle, tmp_path)
    (lost,) = flips_of(bench.workspace, bench.store, TASK).lost
    assert (lost.id, lost.prompt, lost.reference) == ("gate-1", "gate-1", "yes")


def test_a_first_versions_rows_are_shown_beside_those_of_the_prompt_that_it_had_to_beat(
    bench: Bench,
) -> None:
    cycle = judge_with_evidence(bench, 1, against="few-shot")
    assert cycle.champion.version is None
    found = flips_of(bench.workspace, bench.store, TASK)
    assert (found.against, found.data) == ("few-shot", None)
    assert [row.id for row in found.lost] == ["gate-1"]
    page = bench.workspace.files(TASK).page.read_text(encoding="utf-8")
    assert "<code>pawl flips tickets 1</code>" in page


def test_each_kind_of_cycle_leaves_its_page_on_disk_and_on_its_run(
    bench: Bench, tmp_path: Path
) -> None:
    page = published(bench, bench.cycle(1), tmp_path)
    assert "Promoted: version 1 is the champion now." in page
    again = conclude_unchanged(bench.workspace, bench.store, get(bench.store, TASK, 1))
    page = published(bench, again, tmp_path)
    assert "Unchanged: nothing is new since version 1 was judged" in page
    assert "Look 1 of 20" in page, "what judged it is still in build/"
    error = DataError("13 rows hold <script>secrets</script>", rule="no row may", remedy="mend it")
    invalid = conclude_invalid(bench.workspace, bench.store, TASK, error=error, question=None)
    page = published(bench, invalid, tmp_path)
    assert "Not judged" in page
    assert "13 rows hold &lt;script&gt;" in page
    assert "Look 1 of 20" not in page


def test_the_page_shows_the_rows_that_were_lost_and_none_of_another_candidate(
    bench: Bench, tmp_path: Path
) -> None:
    bench.cycle(1)
    page = published(bench, judge_with_evidence(bench, 2), tmp_path)
    assert 'id="lost">1 lost' in page
    assert "a secret answer" in page.replace("<mark>", "").replace("</mark>", "")
    # The files in build/ are those of version 2, this cycle is about version 1.
    again = conclude_unchanged(bench.workspace, bench.store, get(bench.store, TASK, 1))
    page = published(bench, again, tmp_path)
    assert "secret" not in page
    assert 'id="lost"' not in page


@pytest.mark.parametrize("how", ["by the policy", "by the evidence"])
def test_a_page_of_a_sealed_gate_holds_nothing_of_its_rows(
    bench: Bench, tmp_path: Path, how: str
) -> None:
    bench.cycle(1)
    if how == "by the policy":
        bench.params(disclosure="sealed")
    else:
        (bench.workspace.files(TASK).eval / SEALED).write_bytes(b"sealed")
    page = published(bench, judge_with_evidence(bench, 2), tmp_path)
    assert "The gate is sealed" in page
    for told in ("secret", 'id="lost"', 'id="fields"', "gate-1"):
        assert told not in page


def test_a_page_that_cannot_be_made_ends_no_cycle(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> str:
        raise TypeError("no page today")

    monkeypatch.setattr(verdict_page, "page", broken)
    assert bench.cycle(1).verdict == "promote"
    assert not bench.workspace.files(TASK).page.exists()
