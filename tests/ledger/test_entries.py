"""Replaying is pure: its properties are tried on ledgers that Hypothesis generates."""

from __future__ import annotations

import dataclasses
import random

from hypothesis import given
from hypothesis import strategies as st

from pawl.core.records import Champion
from pawl.ledger.entries import Entry, State, replay_entries
from pawl.ledger.hash_chain import broken_links, link_entry

NONE = Champion()
CHAMPIONS = [NONE, *(Champion(n, f"{n}" * 64) for n in range(1, 5))]
KINDS = ("first", "promote", "override", "rollback", "adopt")


def release(number: int, expected: Champion, new: Champion, **changes: object) -> Entry:
    entry = Entry(number, f"op{number}", "promote", expected, new, "Ada", "why", "2026-11-23")
    return dataclasses.replace(entry, **changes)


def look(
    number: int, question: str, of: int, lineage: str = "tickets/s1", *, nth: int = 1
) -> Entry:
    price = {"level": 0.05 / (nth * (nth + 1)) / of, "alpha": 0.05, "since": 1, "rows": 100}
    details = {"lineage": lineage, "question": question, "of": of, **price}
    return Entry(number, f"op{number}", "look", NONE, None, "Ada", "why", "now", details=details)


def retire(number: int, expected: Champion, gone: Champion) -> Entry:
    details = {"version": gone.version, "digest": gone.digest}
    entry = release(number, expected, NONE, kind="retire", details=details)
    return dataclasses.replace(entry, new=None)


@st.composite
def ledgers(draw: st.DrawFn) -> list[Entry]:
    size = draw(st.integers(0, 12))
    made = []
    for number in range(1, size + 1):
        expected = draw(st.sampled_from(CHAMPIONS))
        named = draw(st.sampled_from(CHAMPIONS[1:]))
        kind = draw(st.sampled_from((*KINDS, "retire")))
        op_id = f"op{draw(st.integers(1, 10))}"
        if kind == "retire":
            made.append(dataclasses.replace(retire(number, expected, named), op_id=op_id))
        else:
            made.append(release(number, expected, named, kind=kind, op_id=op_id))
    return made


@given(ledgers())
def test_releases_that_count_form_one_unbroken_chain(entries: list[Entry]) -> None:
    state = replay_entries(entries)
    chain = [NONE, *(entry.new for entry in state.releases)]
    assert [entry.expected for entry in state.releases] == chain[:-1]
    assert state.champion == chain[-1]


@given(ledgers(), st.randoms(use_true_random=False))
def test_the_order_in_which_entries_are_read_does_not_matter(
    entries: list[Entry], draw: random.Random
) -> None:
    shuffled = list(entries)
    draw.shuffle(shuffled)
    assert replay_entries(shuffled) == replay_entries(entries)


@given(ledgers())
def test_an_operation_counts_at_most_once(entries: list[Entry]) -> None:
    counted = [entry.op_id for entry in replay_entries(entries).releases]
    assert len(counted) == len(set(counted))


@given(ledgers(), ledgers())
def test_what_counted_still_counts_after_more_is_written(
    entries: list[Entry], more: list[Entry]
) -> None:
    later = [dataclasses.replace(e, number=e.number + len(entries)) for e in more]
    before, after = replay_entries(entries).releases, replay_entries([*entries, *later]).releases
    assert after[: len(before)] == before


@given(st.integers(1, 6))
def test_of_any_number_of_racers_with_the_same_expectation_the_first_alone_wins(
    racers: int,
) -> None:
    entries = [release(n, NONE, Champion(n, f"{n}")) for n in range(1, racers + 1)]
    assert replay_entries(entries).releases == (entries[0],)


@given(st.lists(st.integers(1, 8), max_size=30), st.integers(1, 5))
def test_looks_are_charged_once_a_question_and_never_beyond_the_budget(
    questions: list[int], of: int
) -> None:
    entries = [look(n, f"q{q}", of) for n, q in enumerate(questions, start=1)]
    charged = replay_entries(entries).looks.get("tickets/s1", ())
    asked = [entry.details["question"] for entry in charged]
    assert asked == list(dict.fromkeys(f"q{q}" for q in questions))[:of]


@given(st.lists(st.integers(1, 40), max_size=40))
def test_no_edit_of_the_number_of_looks_spends_more_than_the_first_looks_alpha(
    edits: list[int],
) -> None:
    entries = [look(n, f"q{n}", of) for n, of in enumerate(edits, start=1)]
    state = replay_entries(entries)
    counted = state.looks.get("tickets/s1", ())
    assert sum(entry.details["level"] for entry in counted) <= 0.025 * (1 + 1e-6)
    assert len(counted) == state.budgets["tickets/s1"].used if edits else not counted


def test_a_look_that_opens_a_budget_on_too_few_rows_is_void() -> None:
    first = look(1, "a", 1)
    opens = look(2, "b", 1, nth=2)
    few = dataclasses.replace(opens, details={**opens.details, "since": 2, "rows": 99})
    enough = dataclasses.replace(opens, details={**opens.details, "since": 2, "rows": 100})
    assert len(replay_entries([first, opens]).looks["tickets/s1"]) == 1
    assert len(replay_entries([first, few]).looks["tickets/s1"]) == 1
    assert len(replay_entries([first, enough]).looks["tickets/s1"]) == 2


def test_lineages_have_budgets_of_their_own_out_of_one_alpha() -> None:
    second = look(2, "a", 1, lineage="tickets/s2", nth=2)
    state = replay_entries([look(1, "a", 1), second, look(3, "b", 1)])
    assert {name: len(looks) for name, looks in state.looks.items()} == {
        "tickets/s1": 1,
        "tickets/s2": 1,
    }
    as_if_first = look(2, "a", 1, lineage="tickets/s2")
    assert "tickets/s2" not in replay_entries([look(1, "a", 1), as_if_first]).looks, (
        "it spends too much"
    )


def test_a_second_rollback_goes_further_back_and_not_forth_again() -> None:
    one, two, three = CHAMPIONS[1:4]
    entries = [release(1, NONE, one), release(2, one, two), release(3, two, three)]
    assert replay_entries(entries).previous_champion() == two
    entries.append(release(4, three, two, kind="rollback"))
    assert replay_entries(entries).previous_champion() == one
    entries.append(release(5, two, one, kind="rollback"))
    assert replay_entries(entries).previous_champion() is None


def gone(state: State) -> set[Champion]:
    said = (entry.details for entry in state.retired)
    return {Champion(details["version"], details["digest"]) for details in said}


@given(ledgers(), st.integers(1, 4))
def test_what_is_retired_is_never_champion_again_and_no_rollback_leads_to_it(
    entries: list[Entry], keep: int
) -> None:
    state = replay_entries(entries)
    for entry in state.retired:
        assert all(e.new not in gone(state) for e in state.releases if e.number > entry.number)
    assert state.champion not in gone(state)
    assert not gone(state) & {*state.rollback_line(), *state.rollback_champions(keep)}


@given(ledgers(), st.integers(1, 4))
def test_what_is_kept_holds_the_champion_and_the_targets_of_as_many_rollbacks(
    entries: list[Entry], keep: int
) -> None:
    state = replay_entries(entries)
    kept = state.rollback_champions(keep)
    if state.champion == NONE:
        assert kept == ()
        return
    assert kept[0] == state.champion
    for number in range(100, 100 + keep):
        target = state.previous_champion()
        if target is None:
            break
        assert target in kept
        entries = [*entries, release(number, state.champion, target, kind="rollback")]
        state = replay_entries(entries)


def test_a_ledger_that_a_person_confirmed_still_rolls_back_to_the_champion_before() -> None:
    one, two = CHAMPIONS[1:3]
    entries = [release(1, NONE, one), release(2, one, two), release(3, two, two, kind="adopt")]
    assert replay_entries(entries).champion == two
    assert replay_entries(entries).previous_champion() == one
    assert replay_entries(entries).unearned(two) is not None


def linked(entries: list[Entry]) -> list[Entry]:
    done: list[Entry] = []
    for entry in entries:
        previous = done[-1].digest if done else ""
        done.append(dataclasses.replace(entry, previous=previous))
    return done


@given(ledgers(), st.data())
def test_an_entry_edited_or_removed_later_shows(entries: list[Entry], data: st.DataObject) -> None:
    chain = linked(entries)
    assert broken_links(chain) == ()
    if len(chain) < 2:
        return
    at = data.draw(st.integers(0, len(chain) - 2))
    edited = [*chain]
    edited[at] = dataclasses.replace(chain[at], why="another why")
    assert broken_links(edited) == (chain[at + 1].number,)
    removed = [*chain[:at], *chain[at + 1 :]]
    assert chain[at].number in broken_links(removed)


@given(ledgers(), st.data())
def test_what_racing_writers_wrote_shows_too_once_it_was_edited(
    entries: list[Entry], data: st.DataObject
) -> None:
    done: list[Entry] = []
    for entry in entries:
        # A writer may have read the ledger before the last few were in it; whoever is last saw all.
        saw = len(done) if entry is entries[-1] else data.draw(st.integers(0, len(done)))
        done.append(link_entry(entry, done[:saw]))
    assert broken_links(done) == ()
    if len(done) < 2:
        return
    at = data.draw(st.integers(0, len(done) - 2))
    done[at] = dataclasses.replace(done[at], why="another why")
    assert broken_links(done) != ()
