"""Held-out rows stay held out."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.schema import Split
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
from pawl.core.row_identity import row_hashes
from pawl.data.inputs import held_out_register
from pawl.data.read.row import row_key
from pawl.data.split.split import (
    assign_splits,
    refuse_missing_fields,
    remove_overlaps,
    split,
    split_of,
)
from pawl.errors import DataError
from pawl.workspace.paths import Workspace

POLICY = Split(salt="s", dev=0.1, gate=0.2)
TEXTS = st.lists(st.text(min_size=1), unique_by=lambda text: example(text).key)


def example(text: str, **fields: str) -> Example:
    messages = (Message("user", text),)
    return Example(text, row_key(messages), messages, "c", fields)


def some(count: int) -> list[Example]:
    """Rows that do not resemble each other."""
    draw = random.Random(3)
    return [example("".join(draw.choices("abcdefghij klmnopqrst", k=40))) for _ in range(count)]


@given(TEXTS, st.lists(st.text(min_size=1)))
def test_held_out_rows_stay_held_out_when_data_grows(old: list[str], new: list[str]) -> None:
    before = {text: split_of(example(text).key, POLICY) for text in old}
    after = assign_splits([example(text) for text in [*new, *reversed(old)]], POLICY)
    assert all(example(text) in after[name] for text, name in before.items())


@given(TEXTS, st.data())
def test_adding_removing_and_reordering_train_rows_changes_no_gate_row(
    texts: list[str], data: st.DataObject
) -> None:
    parts = assign_splits([example(text) for text in texts], POLICY)
    fewer = [row for row in parts["train"] if data.draw(st.booleans())]
    added = [row for row in map(example, data.draw(TEXTS)) if split_of(row.key, POLICY) == "train"]
    train = data.draw(st.permutations([*fewer, *added]))
    again = assign_splits([*train, *parts["gate"], *parts["dev"]], POLICY)
    assert again["gate"] == parts["gate"]


@given(st.lists(st.tuples(st.text("aB ?!", min_size=1, max_size=6), st.sampled_from("abcdefg"))))
def test_no_prompt_is_in_two_splits_however_it_is_typed_and_whatever_its_group(
    rows: list[tuple[str, str]],
) -> None:
    for policy in (POLICY, dataclasses.replace(POLICY, group_by="customer")):
        before = assign_splits([example(text, customer=group) for text, group in rows], policy)
        after, dropped = remove_overlaps(before, [], near=0.7)
        assert after["gate"] == before["gate"]
        hashes = [{found for row in part for found in row_hashes(row)} for part in after.values()]
        assert sum(map(len, hashes)) == len(set().union(*hashes))
        assert sum(map(len, after.values())) + sum(dropped.values()) == len(rows)


@given(st.lists(st.tuples(st.text(min_size=1), st.sampled_from("abcdefghij")), min_size=1))
def test_rows_of_one_group_never_straddle(rows: list[tuple[str, str]]) -> None:
    policy = dataclasses.replace(POLICY, group_by="customer")
    parts = assign_splits([example(text, customer=group) for text, group in rows], policy)
    groups = [{row.fields["customer"] for row in part} for part in parts.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_shares_are_about_those_of_the_policy_and_the_salt_decides() -> None:
    keys = [example(str(i)).key for i in range(20_000)]
    splits = [split_of(key, POLICY) for key in keys]
    assert abs(splits.count("gate") / len(splits) - 0.2) < 0.01
    assert abs(splits.count("dev") / len(splits) - 0.1) < 0.01
    other = [split_of(key, Split(salt="t", dev=0.1, gate=0.2)) for key in keys]
    assert sum(a != b for a, b in zip(splits, other, strict=True)) > 8_000


@pytest.mark.parametrize("option", ["group_by", "slice_by"])
def test_a_field_that_rows_lack_is_refused_with_the_nearest_name(option: str) -> None:
    rows = [example("a", customer="1"), example("b", customer="2"), example("c", mood="bad")]
    with pytest.raises(DataError, match="3 of 3 rows lack 'custmer', first a, b, c") as caught:
        refuse_missing_fields(rows, _policy_with(option, "custmer"))
    assert caught.value.remedy == "did you mean 'customer'?"
    with pytest.raises(DataError, match="1 of 3 rows lack 'customer', first c"):
        refuse_missing_fields(rows, _policy_with(option, "customer"))
    refuse_missing_fields(rows[:2], _policy_with(option, "customer"))


def _policy_with(option: str, name: str) -> Split:
    return dataclasses.replace(POLICY, **{option: name})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace whose 300 rows were checked, and whose held-out register is empty."""
    section = {"data": "d.jsonl", "base": {"model": "b"}, "split": {"salt": "s"}}
    rest: dict[str, dict[str, str]] = {n: {} for n in ("check", "train", "evaluate", "gate")}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"tasks": {"t": section | rest}}))
    made = Workspace(tmp_path)
    write_check(made, some(300))
    held_out_register(made, "t")
    return made


def write_check(workspace: Workspace, rows: list[Example]) -> None:
    """Write what `check` leaves."""
    folder = workspace.files("t").check
    write_lines(folder / "rows.jsonl", map(to_json, rows))
    write_record(folder / "report.json", CheckReport("t", "d" * 64, len(rows), ()))


def read_splits(workspace: Workspace) -> dict[str, list[Example]]:
    folder = workspace.files("t").splits
    return {name: read_rows(folder / f"{name}.jsonl") for name in ("train", "dev", "gate")}


def report(workspace: Workspace) -> SplitReport:
    return read_record(workspace.files("t").splits / "manifest.json", SplitReport)


def registered(row: Example, *, lineage: str = "t/s", gate: bool = True) -> HeldOutRow:
    name = "gate" if gate else "dev"
    return HeldOutRow(row.key, row.id, name, row.messages, row.completion, lineage, 1)  # type: ignore[arg-type]


def test_registering_unchanged_gate_rows_changes_no_byte(workspace: Workspace) -> None:
    split(workspace, "t")
    first, parts = report(workspace), read_splits(workspace)
    files = workspace.files("t")
    write_lines(files.held_out_register, [to_json(registered(row)) for row in parts["gate"]])
    split(workspace, "t")
    assert report(workspace) == first
    assert set(first.dropped.values()) == {0}


def test_a_gate_row_of_an_earlier_salt_and_its_copies_stay_out_of_train(
    workspace: Workspace,
) -> None:
    split(workspace, "t")
    old, kept = read_splits(workspace)["train"][0], read_splits(workspace)["train"]
    edited = (example(f"{old.id}{mark}") for mark in "abcdefghijklmnopq")
    copy = next(row for row in edited if split_of(row.key, Split("s")) == "train")
    write_check(workspace, [*some(300), copy])
    write_lines(
        workspace.files("t").held_out_register, [to_json(registered(old, lineage="t/older"))]
    )
    split(workspace, "t")
    assert read_splits(workspace)["train"] == kept[1:]
    assert report(workspace).dropped["known_gate_row"] == 2


def test_a_dev_row_with_a_gate_rows_prompt_leaves_dev_and_moves_no_gate_row(
    workspace: Workspace,
) -> None:
    split(workspace, "t")
    before = read_splits(workspace)
    row = before["gate"][0]
    typed = (example(f"{row.id}{mark}") for mark in "!?.,;:-…'\"()[]{}")
    copy = next(copy for copy in typed if split_of(copy.key, Split("s")) == "dev")
    write_check(workspace, [*some(300), copy])
    split(workspace, "t")
    assert read_splits(workspace) == before
    assert report(workspace).dropped["dev_copy"] == 1


def test_a_prompt_that_several_groups_share_is_in_one_split(workspace: Workspace) -> None:
    text = workspace.params_file.read_text()
    workspace.params_file.write_text(text.replace("salt: s", "salt: s\n      group_by: customer"))
    write_check(
        workspace,
        [
            dataclasses.replace(row, id=f"{row.id}-{n}", fields={"customer": f"{row.id} {n % 3}"})
            for row in some(150)
            for n in range(2)
        ],
    )
    split(workspace, "t")
    keys = [{row.key for row in part} for part in read_splits(workspace).values()]
    assert sum(map(len, keys)) == len(set.union(*keys))


def test_a_registered_dev_row_of_an_earlier_salt_may_be_trained_on(workspace: Workspace) -> None:
    split(workspace, "t")
    old = read_splits(workspace)["train"][0]
    write_lines(workspace.files("t").held_out_register, [to_json(registered(old, gate=False))])
    split(workspace, "t")
    assert old in read_splits(workspace)["train"]


@pytest.mark.parametrize("name", ["dev", "gate"])
def test_a_relabelled_held_out_row_blocks_and_is_named_with_both_answers(
    workspace: Workspace, name: str
) -> None:
    split(workspace, "t")
    row = read_splits(workspace)[name][0]
    known = registered(dataclasses.replace(row, completion="first"), gate=name == "gate")
    write_lines(workspace.files("t").held_out_register, [to_json(known)])
    with pytest.raises(DataError, match="1 held-out rows have other answers") as caught:
        split(workspace, "t")
    assert f"{row.id} ({name}): first → c" in caught.value.found
    assert "pawl accept t --reason" in caught.value.remedy


@pytest.mark.parametrize("name", ["dev", "gate"])
def test_a_held_out_row_that_was_retyped_and_relabelled_blocks_until_it_is_accepted(
    workspace: Workspace, name: str
) -> None:
    split(workspace, "t")
    row = read_splits(workspace)[name][0]
    typed = (Message("user", f"“{row.messages[0].content}”…"),)
    old = Example("old", row_key(typed), typed, "first")
    known = registered(old, gate=name == "gate")
    write_lines(workspace.files("t").held_out_register, [to_json(known)])
    with pytest.raises(DataError, match="1 held-out rows have other answers") as caught:
        split(workspace, "t")
    assert f"{row.id} ({name}): first → c" in caught.value.found
    accepted = dataclasses.replace(known, completion="c")
    write_lines(workspace.files("t").held_out_register, [to_json(accepted)])
    split(workspace, "t")
