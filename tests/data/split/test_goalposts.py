"""Gate rows that judged before judge on, whatever a delivery drops, relabels or reorders."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.schema import Split
from pawl.core.alpha_budget import fresh, gate_split_id, unspent
from pawl.core.files import write_lines
from pawl.core.records import (
    CheckReport,
    Example,
    HeldOutRow,
    Message,
    SplitReport,
    read_record,
    read_rows,
    to_json,
    write_record,
)
from pawl.core.records.data import Standing
from pawl.core.row_identity import row_hashes
from pawl.data.read.row import row_key
from pawl.data.split.split import deal, split
from pawl.errors import DataError
from pawl.report.dropped import read_dropped_text
from pawl.workspace.paths import Workspace

POLICY = Split(salt="s", dev=0.1, gate=0.3)
LINEAGE = gate_split_id("t", "s")


def example(name: str, answer: str = "c", **fields: str) -> Example:
    asked = (Message("user", f"where is parcel {name} of mine"),)
    return Example(name, row_key(asked), asked, answer, fields)


ROWS = [example(f"r{number}") for number in range(200)]
GATE = deal(ROWS, [], POLICY, "t").parts["gate"]


def known(
    rows: Sequence[Example], *, look: int = 1, standing: Standing = "", lineage: str = LINEAGE
) -> list[HeldOutRow]:
    return [
        HeldOutRow(
            row.key, row.id, "gate", row.messages, row.completion, lineage, look,
            dict(row.fields), standing,
        )
        for row in rows
    ]  # fmt: skip


def names(rows: Sequence[Example]) -> set[str]:
    return {row.id for row in rows}


@given(st.sets(st.sampled_from(sorted(names(GATE))), max_size=len(GATE)), st.integers(0, 5))
def test_no_known_gate_row_leaves_the_judgement_with_a_delivery(gone: set[str], new: int) -> None:
    delivery = [row for row in ROWS if row.id not in gone]
    delivery += [example(f"new {number}") for number in range(new)]
    dealt = deal(delivery, known(GATE), POLICY, "t")
    assert names(dealt.parts["gate"]) >= names(GATE)
    assert dealt.returned == len(gone)
    answers = {row.key: (row.messages, row.completion) for row in GATE}
    for row in dealt.parts["gate"]:
        assert answers.get(row.key, (row.messages, row.completion)) == (
            row.messages,
            row.completion,
        )
    judged = unspent(dealt.parts["gate"], known(GATE), split_id=LINEAGE, since=1)
    assert names(judged) >= names(GATE), "and they are judged, not only there"
    learned = {found for row in dealt.parts["train"] for found in row_hashes(row)}
    assert learned.isdisjoint({found for row in GATE for found in row_hashes(row)})


def test_rows_that_are_named_by_their_line_never_share_a_name_with_one_that_came_back() -> None:
    def numbered(rows: Sequence[Example]) -> list[Example]:
        return [dataclasses.replace(row, id=f"row-{n}") for n, row in enumerate(rows, start=1)]

    # Two deliveries of other rows: of each line there are two, and both are gone later.
    others = [example(f"other {number}") for number in range(200)]
    first = deal(numbered(ROWS), [], POLICY, "t").parts["gate"]
    second = deal(numbered(others), [], POLICY, "t").parts["gate"]
    register = [*known(first), *known(second, look=2)]
    # What lies below a row that is gone moves up by a line.
    gone = {GATE[0].id, GATE[30].id}
    delivery = numbered([row for row in ROWS if row.id not in gone])
    dealt = deal(delivery, register, POLICY, "t")
    judged = unspent(dealt.parts["gate"], register, split_id=LINEAGE, since=1)
    assert len(judged) == len(first) + len(second)
    assert len(names(judged)) == len(judged), "or the evidence would have a row twice"
    assert {row.id for row in judged if row in delivery} <= names(delivery)


def test_a_row_that_was_retyped_is_one_row_still() -> None:
    old = GATE[0]
    typed = (Message("user", f"“{old.messages[0].content}”!"),)
    again = dataclasses.replace(old, key=row_key(typed), messages=typed)
    delivery = [again if row.id == old.id else row for row in ROWS]
    dealt = deal(delivery, known(GATE), POLICY, "t")
    judged = unspent(dealt.parts["gate"], known(GATE), split_id=LINEAGE, since=1)
    assert sum(row_hashes(row)[1] == row_hashes(old)[1] for row in judged) == 1


def test_a_row_of_another_gate_split_or_of_dev_does_not_come_back() -> None:
    other = known([example("older")], lineage=gate_split_id("t", "before"))
    dev = [dataclasses.replace(row, split="dev") for row in known([example("a dev row")])]
    assert deal(ROWS, [*other, *dev], POLICY, "t").returned == 0


def test_a_row_that_comes_back_has_the_group_that_it_had_or_one_of_its_own() -> None:
    policy = dataclasses.replace(POLICY, group_by="customer")
    rows = [dataclasses.replace(row, fields={"customer": row.id[:2]}) for row in ROWS]
    gate = deal(rows, [], policy, "t").parts["gate"]
    first, second = known(gate)[0], dataclasses.replace(known(gate)[1], groups={})
    left = [row for row in rows if row.id not in (first.id, second.id)]
    dealt = deal(left, [first, second], policy, "t")
    found = {row.id: row.fields["customer"] for row in dealt.parts["gate"]}
    assert (found[first.id], found[second.id]) == (first.id[:2], second.key)


def test_rows_of_rejected_candidates_alone_leave_together_once_a_delivery_contradicts_one() -> None:
    old, night = GATE[:30], GATE[30:40]
    damaged = [dataclasses.replace(row, completion="damaged") for row in night]
    register = [*known(old), *known(damaged, look=4, standing="pending")]
    dealt = deal(ROWS, register, POLICY, "t")
    assert dealt.withdrawn == (4,)
    assert dealt.dropped["withdrawn"] == len(night)
    assert names(dealt.parts["gate"]) == names(GATE) - names(night)
    # One of them is enough, also where the others are gone from the delivery or unchanged.
    for delivery in (
        [row for row in ROWS if row.id not in names(night[1:])],
        [row if row.id == night[0].id else _damaged(row, night) for row in ROWS],
    ):
        dealt = deal(delivery, register, POLICY, "t")
        assert dealt.withdrawn == (4,)
        assert names(dealt.parts["gate"]).isdisjoint(names(night))
    # All rows that no release vouches for, not only those of the look that was contradicted.
    register += known(GATE[40:45], look=5, standing="pending")
    dealt = deal(ROWS, register, POLICY, "t")
    assert dealt.withdrawn == (4, 5)
    assert dealt.dropped["withdrawn"] == 15


def _damaged(row: Example, rows: Sequence[Example]) -> Example:
    return dataclasses.replace(row, completion="damaged") if row.id in names(rows) else row


def test_before_any_release_a_relabel_is_refused_for_no_row_would_be_left_to_judge() -> None:
    damaged = [dataclasses.replace(row, completion="damaged") for row in GATE[:3]]
    register = known([*damaged, *GATE[3:]], standing="pending")
    with pytest.raises(DataError, match="3 held-out rows have other answers than before"):
        deal(ROWS, register, POLICY, "t")


def test_pending_rows_judge_while_nothing_contradicts_them() -> None:
    register = [*known(GATE[:30]), *known(GATE[30:], look=4, standing="pending")]
    dealt = deal(ROWS[:-1], register, POLICY, "t")
    assert dealt.withdrawn == ()
    assert names(dealt.parts["gate"]) == names(GATE)
    without = [row for row in ROWS if row.id != GATE[-1].id]
    assert deal(without, register, POLICY, "t").returned == 1, "nor do they vanish"


def test_what_was_withdrawn_stays_so_and_changes_no_byte_when_it_is_repeated() -> None:
    damaged = [dataclasses.replace(row, completion="damaged") for row in GATE[:10]]
    old = known(GATE[10:])
    before = deal(ROWS, [*old, *known(damaged, look=2, standing="pending")], POLICY, "t")
    after = deal(ROWS, [*old, *known(damaged, look=2, standing="withdrawn")], POLICY, "t")
    assert after == before
    # Neither a release nor a clean delivery brings them back, nor are they trained on.
    gone = [row for row in ROWS if row.id not in names(damaged)]
    dealt = deal(gone, known(damaged, look=2, standing="withdrawn"), POLICY, "t")
    assert (dealt.returned, dealt.withdrawn) == (0, (2,))
    close = [dataclasses.replace(row, id="copy") for row in damaged]
    learned = deal([*gone, *close], known(damaged, look=2, standing="withdrawn"), POLICY, "t")
    assert "copy" not in names(learned.parts["train"])


def test_goalposts_are_not_withdrawn() -> None:
    damaged = [dataclasses.replace(row, completion="damaged") for row in GATE[:3]]
    with pytest.raises(DataError, match="3 held-out rows have other answers than before"):
        deal(ROWS, known(damaged), POLICY, "t")
    # Pending at one gate split and a goalpost of another.
    both = [
        *known(damaged, standing="pending"),
        *known(damaged, lineage=gate_split_id("t", "before")),
    ]
    with pytest.raises(DataError, match="3 held-out rows have other answers than before"):
        deal(ROWS, both, POLICY, "t")


def test_a_row_that_a_person_let_go_neither_returns_nor_judges_where_it_does() -> None:
    register = [*known(GATE[1:]), *known(GATE[:1], standing="removed")]
    dealt = deal(ROWS[:], register, POLICY, "t")
    assert dealt.dropped["removed"] == 1
    assert names(dealt.parts["gate"]) == names(GATE[1:])
    without = [row for row in ROWS if row.id != GATE[0].id]
    assert deal(without, register, POLICY, "t").returned == 0


ANSWERS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1)


@given(ANSWERS, st.randoms(use_true_random=False))
def test_which_answer_of_a_contradicted_prompt_judges_does_not_follow_the_order_of_rows(
    drawn: list[tuple[str, str]], draw: object
) -> None:
    rows = [example(prompt, answer) for prompt, answer in drawn]
    shuffled = [*rows]
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    for choose in (lambda r: fresh(r, []), lambda r: unspent(r, [], split_id=LINEAGE, since=1)):
        one, other = ({(r.key, r.completion) for r in choose(these)} for these in (rows, shuffled))
        assert one == other
        assert len(one) == len({row.key for row in rows})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    section = {
        "data": "d.jsonl", "base": {"model": "b"}, "split": {"salt": "s", "dev": 0.1, "gate": 0.3},
    }  # fmt: skip
    rest: dict[str, dict[str, str]] = {n: {} for n in ("check", "train", "evaluate", "gate")}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"tasks": {"t": section | rest}}))
    return Workspace(tmp_path)


def test_the_stage_says_how_many_came_back_and_how_many_left(workspace: Workspace) -> None:
    files = workspace.files("t")
    delivery = [row for row in ROWS if row.id != GATE[0].id]
    write_lines(files.check / "rows.jsonl", map(to_json, delivery))
    write_record(files.check / "report.json", CheckReport("t", "d" * 64, len(delivery), ()))
    damaged = [dataclasses.replace(row, completion="damaged") for row in GATE[40:45]]
    register = [*known(GATE[:40]), *known(damaged, look=2, standing="pending")]
    write_lines(files.held_out_register, map(to_json, register))
    split(workspace, "t")
    report = read_record(files.splits / "manifest.json", SplitReport)
    assert (report.returned, report.withdrawn, report.dropped["withdrawn"]) == (1, (2,), 5)
    assert report.rows["gate"] == len(read_rows(files.splits / "gate.jsonl")) == len(GATE) - 5
    said = " ".join(read_dropped_text(files.splits / "manifest.json"))
    assert "5 gate rows left the judgement" in said
    assert "1 gate rows judge on though this delivery no longer holds them" in said
    assert "pawl accept TASK --removed --reason" in said
