"""Rows held against the task's rules: each by itself while it streams by, then all of them.

Rows go from the reader through the rulers to `rows.jsonl`; what is kept of each is a line of
numbers in a frame, over which the suite is run (`pawl.data.rules.great_expectations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.schema import Task
from pawl.core.records import Example, Fault, Rule
from pawl.data.rules.columns import Columns, line_of
from pawl.data.rules.facts import Unfounded, schema_labels
from pawl.data.rules.great_expectations import Outcome, load_library, suite_of, validate
from pawl.data.rules.measure import Ruler
from pawl.data.rules.pairwise import COMPARED, load_libraries
from pawl.data.rules.share import measured, tokens_of, with_ruler
from pawl.data.rules.suite import Expected, suite
from pawl.data.rules.workers import uncollected

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10
# Processes that compare the rows of the sample.
ASIDE = 2


@dataclass(frozen=True)
class Examined:
    """What came of it: the rules with their worst rows, and each fault as a JSON value.

    `suite` are the rules as Great Expectations writes them.
    """

    columns: Columns
    suite: dict[str, Any]
    rules: tuple[Rule, ...]
    faults: tuple[dict[str, str], ...]


@uncollected()
def examine(
    rows: Iterable[Example],
    section: Task,
    ruler: Ruler,
    *,
    to: Path | None = None,
    docs: Path | None = None,
) -> Examined:
    """Hold rows against the rules of a task.

    Args:
        rows: all of them, once.
        section: the task's parameters.
        ruler: what each row is held against.
        to: the file that gets the rows as JSON lines.
        docs: the folder that gets the Data Docs.

    Raises:
        DataError: a rule could not be run; and what reading the rows raises.
    """
    columns = gathered(rows, section, ruler, to=to)
    expected = suite(section, has_schema=ruler.validator is not None)
    name = Path(section.data).name.split(".")[0]
    frame = framed(columns, expected)
    outcomes = validate(frame, expected, name=name, docs=docs)
    faults: list[dict[str, str]] = []
    rules: list[Rule] = []
    for rule in expected:
        outcome = outcomes[rule.name]
        found = _faults(rule, outcome, frame, columns)
        faults += ({"rule": rule.name, "id": fault.id, "says": fault.says} for fault in found)
        rules.append(_told(rule, outcome, found))
    return Examined(columns, suite_of(expected, name=name), tuple(rules), tuple(faults))


def gathered(
    rows: Iterable[Example], section: Task, ruler: Ruler, *, to: Path | None = None
) -> Columns:
    """The columns of rows, each measured by itself, and those of the sample compared."""
    columns = Columns(Unfounded(schema_labels(ruler.measure.schema)))
    measures = measured(rows, ruler, meanwhile=_load_libraries)
    passing = columns.passing(measures, slice_by=section.split.slice_by)
    with ExitStack() as stack:
        write = stack.enter_context(to.open("w", encoding="utf-8")).write if to else None
        for row in passing:
            if write:
                write(line_of(row))
    # For the processes that compare, too; few rows leave no time for it before.
    _load_libraries()
    sample = columns.sample()[1]
    with with_ruler(ASIDE, ruler) as aside:
        comparing = {
            rule: aside.submit(compare, sample, section.split.near)
            for rule, compare in COMPARED.items()
        }
        counting = aside.submit(tokens_of, sample)
        columns.note({rule: found.result() for rule, found in comparing.items()})
        columns.sampled = counting.result()
    return columns


def framed(columns: Columns, expected: Sequence[Expected]) -> pd.DataFrame:
    """The frame with a column for each that a rule names: what is wrong with a row, in words."""
    frame = columns.frame()
    asked = {rule.arguments["column"] for rule in expected if "column" in rule.arguments}
    return frame.assign(**{name: columns.words(name) for name in sorted(asked - {*frame.columns})})


def _load_libraries() -> None:
    load_library()
    load_libraries()


def _faults(rule: Expected, outcome: Outcome, frame: pd.DataFrame, columns: Columns) -> list[Fault]:
    """What is wrong with each row at fault, the worst first."""
    found = frame.iloc[list(outcome.rows)]
    if rule.worst is not None:
        found = found.sort_values(rule.worst, ascending=False, kind="stable")
    else:
        place = {number: at for at, number in enumerate(columns.faults.get(rule.name, {}))}
        found = found.iloc[sorted(range(len(found)), key=lambda i: place.get(outcome.rows[i], i))]
    return [Fault(row["id"], rule.words.format(**row)) for row in found.to_dict("records")]


def _told(rule: Expected, outcome: Outcome, faults: Sequence[Fault]) -> Rule:
    return Rule(
        name=rule.name,
        severity=rule.severity,
        passed=outcome.passed,
        found=len(faults) if outcome.observed is None else int(outcome.observed),
        of=outcome.of,
        says=rule.says,
        worst=tuple(faults[:SHOWN]),
    )
