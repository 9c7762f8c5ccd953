"""The turns of a conversation are in one split, without any configuration."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.schema import Split
from pawl.core.files import write_lines
from pawl.core.records import (
    CheckReport,
    Example,
    Message,
    SplitReport,
    read_record,
    read_rows,
    to_json,
    write_record,
)
from pawl.data.inputs import held_out_register
from pawl.data.read.row import row_key
from pawl.data.split.split import (
    CONVERSATION,
    assign_splits,
    conversation_key,
    mark_conversations,
    split,
)
from pawl.workspace.paths import Workspace

POLICY = Split(salt="s", dev=0.2, gate=0.4)
WORD = st.text("abcdefghij", min_size=1, max_size=6)
TURNS = st.lists(st.tuples(WORD, WORD), min_size=1, max_size=4)


def rows(turns: list[tuple[str, str]], *before: Message) -> list[Example]:
    """One row for each assistant turn of a conversation, as an export writes them."""
    messages, made = list(before), []
    for asked, answered in turns:
        messages.append(Message("user", asked))
        made.append(Example(f"{len(made)}", row_key(messages), tuple(messages), answered))
        messages.append(Message("assistant", answered))
    return made


@given(st.lists(TURNS, min_size=1, max_size=8), st.sampled_from([None, "system", "assistant"]))
def test_no_conversation_is_in_two_splits(
    conversations: list[list[tuple[str, str]]], first: str | None
) -> None:
    before = () if first is None else (Message(first, "hello there"),)  # type: ignore[arg-type]
    parts = assign_splits([row for turns in conversations for row in rows(turns, *before)], POLICY)
    splits = defaultdict(set)
    for name, part in parts.items():
        for row in part:
            splits[conversation_key(row)].add(name)
    assert all(len(names) == 1 for names in splits.values())
    # The later turns of a conversation and its first one have the same opening.
    for turns in conversations:
        assert len({conversation_key(row) for row in rows(turns, *before)}) == 1


@given(WORD, st.booleans())
def test_a_row_with_one_turn_is_assigned_by_its_own_prompt(text: str, system: bool) -> None:
    before = (Message("system", "be brief"),) if system else ()
    (row,) = rows([(text, "x")], *before)
    assert conversation_key(row) == row.key


def test_a_new_turn_of_an_old_conversation_joins_it_and_moves_nothing() -> None:
    turns = [(f"question {n}", f"answer {n}") for n in range(5)]
    for count in range(1, 5):
        before, after = (assign_splits(rows(turns[:n]), POLICY) for n in (count, count + 1))
        assert all(row in after[name] for name in before for row in before[name])


def test_the_rows_of_a_conversation_are_one_unit_of_evidence_and_others_are_none() -> None:
    alone = rows([("by itself", "x")])
    twice = rows([("said twice", "x")]) * 2
    chat = rows([("hello", "good day"), ("and now?", "nothing")])
    marked, found = mark_conversations([*alone, *twice, *chat])
    assert found
    assert [CONVERSATION in row.fields for row in marked] == [False] * 3 + [True] * 2
    assert marked[-1].fields == marked[-2].fields
    assert mark_conversations([*alone, *twice]) == ([*alone, *twice], False)


def test_a_group_that_the_user_names_decides_alone() -> None:
    chat = [
        dataclasses.replace(row, fields={"customer": str(number)})
        for number, row in enumerate(rows([(f"q {n}", f"a {n}") for n in range(40)]))
    ]
    parts = assign_splits(chat, Split(salt="s", dev=0.2, gate=0.4, group_by="customer"))
    assert all(parts.values())


def test_the_split_stage_leaves_conversations_whole_and_names_them_for_the_gate(
    tmp_path: Path,
) -> None:
    section = {"data": "d.jsonl", "base": {"model": "b"}, "split": {"salt": "s"}}
    rest: dict[str, dict[str, str]] = {n: {} for n in ("check", "train", "evaluate", "gate")}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"tasks": {"t": section | rest}}))
    workspace = Workspace(tmp_path)
    files = workspace.files("t")
    chats = [[(f"{word} {n}", f"{n} {word}") for word in ("what", "why")] for n in range(60)]
    made = [
        dataclasses.replace(row, id=f"{number}-{row.id}")
        for number, turns in enumerate(chats)
        for row in rows(turns)
    ]
    write_lines(files.check / "rows.jsonl", map(to_json, made))
    write_record(files.check / "report.json", CheckReport("t", "d" * 64, len(made), ()))
    held_out_register(workspace, "t")
    split(workspace, "t")
    assert read_record(files.splits / "manifest.json", SplitReport).group_by == CONVERSATION
    gate = read_rows(files.splits / "gate.jsonl")
    assert len(gate) == 2 * len({row.fields[CONVERSATION] for row in gate})
