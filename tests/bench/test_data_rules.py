"""The bench of the data rules counts what a check names, and fails where it misses what it must."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import data_rules
from dirt import Dirt, dirts

from pawl.core.records import Rule

ANSWER = '{"category":"other","urgency":"low","order":null}'
ROWS = [{"id": str(n), "prompt": f"text {n}", "completion": ANSWER} for n in range(200)]
RULES = ("schema", "blanks")
KINDS = [kind for kind in dirts() if kind.rule in RULES]


ALWAYS = {row["id"] for row in ROWS}


class Named:
    """In place of a ground: a check that names the rows that differ, but for the ids left out."""

    def __init__(self, but: frozenset[str] = frozenset(), more: frozenset[str] = frozenset()):
        self.but, self.more = but, more

    def checked(self, rows: list[Any], **_: Any) -> data_rules.Checked:
        differ = {row["id"] for row in rows if row not in ROWS}
        named = (differ - self.but) | self.more
        faults = defaultdict(set, dict.fromkeys(RULES, named))
        rules = {name: Rule(name, "warn", False, 1, 200, "") for name in RULES}
        return data_rules.Checked(rules, faults)


def measured(
    ground: Any, capsys: pytest.CaptureFixture[str], kinds: list[Dirt] = KINDS
) -> tuple[bool, list[str]]:
    clean = data_rules.Checked({}, defaultdict(set, {"blanks": ALWAYS}))
    missed = data_rules.measured(ground, ROWS, clean, kinds, 0.01)
    return missed, capsys.readouterr().out.splitlines()


def test_all_dirt_found_is_a_recall_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    missed, lines = measured(Named(), capsys)
    assert not missed
    assert len(lines) == len(KINDS)
    assert all("| 2 | 100.0% | 0 of 186 |" in line for line in lines)


def test_a_row_missed_of_what_must_be_found_fails_the_bench(
    capsys: pytest.CaptureFixture[str],
) -> None:
    everything = frozenset(ALWAYS)
    missed, lines = measured(Named(but=everything), capsys)
    assert missed
    assert all("| 0.0% |" in line for line in lines)
    assert not measured(Named(but=everything), capsys, [k for k in KINDS if not k.surely])[0]


def test_a_clean_row_that_is_named_is_a_false_alarm_but_for_those_that_always_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    everything = frozenset(ALWAYS)
    _, lines = measured(Named(more=everything), capsys)
    assert all("| 186 of 186 |" in line for line in lines if "schema" in line)
    assert all("| 0 of 186 |" in line for line in lines if "blanks" in line)


def test_a_rule_that_does_not_exist_is_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    kind = next(kind for kind in dirts() if kind.rule == "secrets")
    missed, lines = measured(Named(), capsys, [kind])
    assert not missed
    assert "no such rule" in lines[0]
