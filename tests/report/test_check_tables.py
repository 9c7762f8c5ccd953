"""`pawl check` in a terminal of 80 columns and in a pipe."""

from __future__ import annotations

import dataclasses
import io

import pytest
from reports import fit, unfit

from pawl.core.records import CheckReport, Fault, FixReport, Mend
from pawl.data.report.check_summary import REMEDIES, remedy
from pawl.report.check import show_check, show_fix
from pawl.report.console import Terminal


def printed(report: CheckReport | FixReport, **words: str) -> str:
    """What a pipe gets: no colour, 80 columns."""
    out = io.StringIO()
    console = Terminal(file=out, width=80)
    if isinstance(report, FixReport):
        show_fix(report, folder="build/tickets/fixed", console=console)
    else:
        show_check(report, console=console)
    return out.getvalue()


def test_each_rule_stands_in_one_line_with_its_count_state_and_share() -> None:
    report = unfit()
    lines = [line.split() for line in printed(report).splitlines()]
    for rule in report.rules:
        state = "passed" if rule.passed else {"block": "blocks", "warn": "warns"}[rule.severity]
        [row] = [line for line in lines if line[:2] == [rule.name, state]]
        assert row[2:4] == [f"{rule.found:,}", f"{rule.of:,}"]
        assert ("*" in row) == (rule.of < report.rows)


def test_the_worst_ten_and_what_to_do_are_told_and_nothing_is_cut() -> None:
    report = unfit()
    text = printed(report)
    said = " ".join(text.split())
    for rule in report.rules:
        for fault in rule.worst:
            assert f"{fault.id} {fault.says}" in said
        if not rule.passed:
            assert remedy(rule, "tickets") in said
        if rule.worst and rule.found > len(rule.worst):
            assert f"… and {rule.found - len(rule.worst):,} more" in said
    assert all(len(line) <= 80 for line in text.splitlines())
    for drift in report.drift:
        assert f"{drift.name} {drift.value:.3f} {drift.says}" in said


def test_a_row_cannot_command_the_terminal() -> None:
    rule = next(rule for rule in unfit().rules if rule.name == "schema")
    worst = (Fault("x[red]", "\x1b[2Jgone \u202eenog [bold]b[/]"),)
    text = printed(dataclasses.replace(fit(), rules=(dataclasses.replace(rule, worst=worst),)))
    assert "x[red]" in text
    assert "[bold]b[/]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_every_remedy_can_be_said_of_any_task() -> None:
    for words in REMEDIES.values():
        assert "{" not in words.format(task="tickets")


def proposed() -> FixReport:
    gone = Mend("duplicates", "dropped, as an earlier one", 12,
                tuple(Fault(f"r{i}", "says what r0 says") for i in range(10)))  # fmt: skip
    left = tuple(rule for rule in unfit().rules if rule.name in ("secrets", "contradictions"))
    return FixReport("tickets", "a" * 64, "b" * 64, "tickets.jsonl", 108, 120, 1,
                     (gone, Mend("blanks", "blanks", 0)), left)  # fmt: skip


def test_a_proposed_copy_is_told_with_the_commands_that_take_it_over() -> None:
    lines = printed(proposed()).splitlines()
    assert "duplicates (12 rows): dropped, as an earlier one" in lines
    assert "  …   and 2 more" in [line.rstrip() for line in lines]
    assert "left to you: secrets (2 rows): tk-1000, tk-1037" in lines
    assert "  pawl data add build/tickets/fixed/tickets.jsonl --task tickets" in lines
    assert not any(line.startswith("blanks") for line in lines)
    assert "(the diff shows 1 row without the words: secret, or unreadable)" in lines


@pytest.mark.parametrize("left", [None, ()])
def test_where_nothing_was_mended_no_copy_is_offered(left: tuple[()] | None) -> None:
    same = dataclasses.replace(proposed(), fixed="a" * 64, mends=(), left=left)
    text = printed(same)
    assert "nothing to mend" in text
    assert "pawl data add" not in text
    assert ("could not be run" in text) == (left is None)
