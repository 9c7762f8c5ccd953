"""The register of held-out rows: first answers stay, relabels are signed, altered rows show."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbench import ROWS, TASK, Bench, held_out, write_splits

from pawl.core.records import Example, HeldOutRow, Message, Relabel, read_held_out_rows
from pawl.cycle.snapshots import snapshot_held_out
from pawl.errors import RegistryError, UsageError
from pawl.ledger.held_out import EntryRows, accept, held_out_rows, replay_held_out
from pawl.ledger.ledger import entries
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_state
from pawl.release.history import history
from pawl.store.artifacts import download

CHANGE = Relabel("key gate-0", "gate-0", "gate", ("yes",), ("no",))


def look(bench: Bench, seed: int, gate: int = 20, **changes: str) -> None:
    """Reserve a look for the adapter of `seed` at that many gate rows."""
    parts = {name: held_out(name, count) for name, count in (ROWS | {"gate": gate}).items()}
    parts["gate"] = [
        dataclasses.replace(row, completion=changes.get(row.id.replace("-", "_"), "yes"))
        for row in parts["gate"]
    ]
    write_splits(bench.workspace, parts)
    bench.train(seed)
    reserve_look(bench.workspace, bench.store, TASK)


def test_a_look_puts_its_held_out_rows_on_record_before_it_is_reserved(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("pawl.ledger.looks.append", crash)
        with pytest.raises(KeyboardInterrupt):
            look(bench, 1)
    assert held_out_rows(bench.store, TASK) == (), "rows without a look that counts are not known"
    look(bench, 1)
    rows = held_out_rows(bench.store, TASK)
    assert {row.split: row.lineage for row in rows} == {"dev": "tickets/s1", "gate": "tickets/s1"}
    assert len(rows) == ROWS["dev"] + ROWS["gate"]
    assert {row.look for row in rows} == {1}
    assert rows[-1].messages == (Message("user", "gate-19"),)


def test_a_later_look_adds_only_the_rows_that_are_new(bench: Bench) -> None:
    look(bench, 1)
    look(bench, 2)
    look(bench, 3, gate=25)
    said = [entry.details.get("known", {}).get("rows") for entry in entries(bench.store, TASK)]
    assert said == [28, None, 5]
    assert [row.look for row in held_out_rows(bench.store, TASK)] == [1] * 28 + [3] * 5


def test_another_salt_is_another_lineage_and_the_first_answer_holds_in_both(bench: Bench) -> None:
    look(bench, 1)
    text = bench.workspace.params_file.read_text()
    bench.workspace.params_file.write_text(text.replace("salt: s1", "salt: s2"))
    # A new salt opens a budget on fresh rows alone: as many as the largest look judged.
    look(bench, 2, gate=40, gate_0="no")
    rows = [row for row in held_out_rows(bench.store, TASK) if row.id == "gate-0"]
    assert [(row.lineage, row.look, row.completion) for row in rows] == [
        ("tickets/s1", 1, "yes"),
        ("tickets/s2", 1, "yes"),
    ]


def test_an_accepted_relabel_changes_the_answer_and_is_signed_but_moves_no_champion(
    bench: Bench,
) -> None:
    bench.cycle(1)
    entry = accept(bench.store, TASK, [CHANGE], who="Bo", why=" the desk was wrong ")
    answers = {row.id: row.completion for row in held_out_rows(bench.store, TASK)}
    assert answers["gate-0"] == "no"
    assert set(answers.values()) == {"yes", "no"}
    state = read_state(bench.store, TASK)
    assert state.champion.version == 1
    assert state.accepted == (entry.op_id,)
    first, relabel = history(bench.store, TASK)
    assert (first.kind, first.version) == ("first", 1)
    assert (relabel.kind, relabel.version) == ("relabel", None)
    assert (relabel.who, relabel.why) == ("Bo", "the desk was wrong")


def test_an_acceptance_needs_a_change_and_a_reason(bench: Bench) -> None:
    with pytest.raises(UsageError, match="no held-out row"):
        accept(bench.store, TASK, [], who="Bo", why="because")
    with pytest.raises(UsageError, match="no reason"):
        accept(bench.store, TASK, [CHANGE], who="Bo", why=" ")
    assert entries(bench.store, TASK) == ()


def test_the_snapshot_has_the_same_bytes_while_nothing_new_is_known(bench: Bench) -> None:
    path = bench.workspace.files(TASK).held_out_register
    snapshot_held_out(bench.workspace, bench.store, TASK)
    assert path.read_bytes() == b""
    look(bench, 1)
    snapshot_held_out(bench.workspace, bench.store, TASK)
    before = path.read_bytes()
    look(bench, 2)
    snapshot_held_out(bench.workspace, bench.store, TASK)
    assert path.read_bytes() == before
    assert tuple(read_held_out_rows(path)) == held_out_rows(bench.store, TASK)


def test_a_versions_run_carries_the_rows_that_its_split_knew(bench: Bench, tmp_path: Path) -> None:
    look(bench, 1)
    snapshot_held_out(bench.workspace, bench.store, TASK)
    run = bench.cycle(2).run_id
    assert run is not None
    path = download(bench.store, run, "known.jsonl", tmp_path)
    assert path is not None
    assert path.read_bytes() == bench.workspace.files(TASK).held_out_register.read_bytes() != b""
    assert download(bench.store, run, "no-such.jsonl", tmp_path) is None


@pytest.mark.parametrize("harm", ["altered", "gone"])
def test_rows_that_were_altered_or_removed_are_not_believed(bench: Bench, harm: str) -> None:
    look(bench, 1)
    (path,) = Path(bench.workspace.home).rglob("known.jsonl")
    if harm == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text().replace('"yes"', '"no"', 1))
    with pytest.raises(RegistryError, match=r"is gone|has digest"):
        held_out_rows(bench.store, TASK)


KEYS = st.sampled_from("abc")
ANSWERS = st.sampled_from(["1", "2", "3"])


@st.composite
def ledgers(draw: st.DrawFn) -> list[EntryRows]:
    """What entries say, as looks and relabels of a task would."""
    said = []
    for number in range(1, draw(st.integers(0, 6)) + 1):
        if draw(st.booleans()):
            said.append(
                EntryRows(relabels=(Relabel(draw(KEYS), "r", "gate", (), (draw(ANSWERS),)),))
            )
            continue
        rows = [
            known(key, answer, lineage=draw(st.sampled_from("xy")), look=number)
            for key, answer in draw(st.lists(st.tuples(KEYS, ANSWERS), max_size=4, unique=True))
        ]
        said.append(EntryRows(rows=tuple(rows)))
    return said


def known(key: str, answer: str, *, lineage: str, look: int) -> HeldOutRow:
    row = Example(key, key, (Message("user", key),), answer)
    return HeldOutRow(row.key, row.id, "gate", row.messages, answer, lineage, look)


@given(ledgers(), ledgers())
def test_only_a_relabel_changes_what_a_known_row_answers(
    said: list[EntryRows], more: list[EntryRows]
) -> None:
    looks = [seen for seen in more if not seen.relabels]
    before, after = replay_held_out(said), replay_held_out([*said, *looks])
    assert [row for row in after if (row.key, row.lineage) in places(before)] == list(before)


@given(ledgers())
def test_a_row_is_known_from_its_first_look_on_and_all_lineages_agree(
    said: list[EntryRows],
) -> None:
    rows = replay_held_out(said)
    for row in rows:
        looks = [
            r.look for s in said for r in s.rows if (r.key, r.lineage) == (row.key, row.lineage)
        ]
        assert row.look == min(looks)
    answers = {
        place: {r.completion for r in rows if place == (r.key, r.lineage)} for place in places(rows)
    }
    assert all(answers[a] == answers[b] for a in answers for b in answers if a[0] == b[0])


def places(rows: tuple[HeldOutRow, ...]) -> set[tuple[str, str]]:
    return {(row.key, row.lineage) for row in rows}
