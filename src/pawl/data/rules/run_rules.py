"""Runs a task's rules: on each row while it streams by, then on a data frame of their measures."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.schema import Task
from pawl.core.records import Example, Fault, Rule
from pawl.data.rules.columns import Columns, json_line
from pawl.data.rules.cross_row import CROSS_ROW_RULES
from pawl.data.rules.facts import UngroundedFacts, schema_labels
from pawl.data.rules.great_expectations import Outcome, suite_json, validate
from pawl.data.rules.measure import RowMeasurer
from pawl.data.rules.parallel import gc_paused, measure_rows, token_counts, worker_pool
from pawl.data.rules.suite import RuleExpectation, suite

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10
# Worker processes for the sample.
SAMPLE_WORKERS = 2
LIBRARIES = (
    "great_expectations py3langid.langid scipy.linalg scipy.spatial sklearn.feature_extraction"
)


@dataclass(frozen=True)
class RuleResults:
    """The rules with their worst rows, each fault as JSON, the suite in GX's JSON format."""

    columns: Columns
    suite: dict[str, Any]
    rules: tuple[Rule, ...]
    faults: tuple[dict[str, str], ...]


@gc_paused()
def run_rules(
    rows: Iterable[Example],
    section: Task,
    measurer: RowMeasurer,
    *,
    to: Path | None = None,
    docs: Path | None = None,
) -> RuleResults:
    """Run a task's rules on its rows, which are consumed once.

    The rows are also written as JSON lines `to` a file, the Data Docs to the folder `docs`.

    Raises:
        DataError: a rule could not be run; and whatever reading the rows raises.
    """
    columns = measure_columns(rows, section, measurer, to=to)
    expected = suite(section, has_schema=measurer.validator is not None)
    name = Path(section.data).name.split(".")[0]
    frame = rule_frame(columns, expected)
    outcomes = validate(frame, expected, name=name, docs=docs)
    faults: list[dict[str, str]] = []
    rules: list[Rule] = []
    for rule in expected:
        outcome = outcomes[rule.name]
        of_rule = _faults(rule, outcome, frame, columns)
        faults += ({"rule": rule.name, "id": fault.id, "says": fault.says} for fault in of_rule)
        found = len(of_rule) if outcome.observed is None else int(outcome.observed)
        passed, of, worst = outcome.passed, outcome.of, tuple(of_rule[:SHOWN])
        says = columns.silent.get(rule.name, rule.description)
        rules.append(Rule(rule.name, rule.severity, passed, found, of, says, worst))
    return RuleResults(columns, suite_json(expected, name=name), tuple(rules), tuple(faults))


def measure_columns(
    rows: Iterable[Example], section: Task, measurer: RowMeasurer, *, to: Path | None = None
) -> Columns:
    """Measure each row and run the cross-row rules on the sample."""
    columns = Columns(UngroundedFacts(schema_labels(measurer.config.schema)))
    measured = measure_rows(rows, measurer, meanwhile=_load_libraries)
    with ExitStack() as stack:
        write = stack.enter_context(to.open("w", encoding="utf-8")).write if to else None
        longest = section.train.max_length if section.check.drop_long else math.inf
        for row in columns.collect(measured, slice_by=section.split.slice_by):
            if write and columns.tokens[-1] <= longest:
                write(json_line(row))
    # Before the fork below; few rows are measured without workers, and then it is still to do.
    _load_libraries()
    sample = columns.sample()[1]
    with worker_pool(SAMPLE_WORKERS, measurer) as pool:
        faults = {
            name: pool.submit(rule, sample, section.split.near)
            for name, rule in CROSS_ROW_RULES.items()
        }
        tokens = pool.submit(token_counts, sample)
        columns.add_faults({name: future.result() for name, future in faults.items()})
        columns.sample_tokens = tokens.result()
    return columns


def rule_frame(columns: Columns, expected: Sequence[RuleExpectation]) -> pd.DataFrame:
    """The data frame with all columns of the rules, those of messages included."""
    frame = columns.frame()
    used = {rule.arguments["column"] for rule in expected if "column" in rule.arguments}
    missing = sorted(used - {*frame.columns})
    return frame.assign(**{name: columns.fault_column(name) for name in missing})


def _load_libraries() -> None:
    """Import the libraries of the rules, which takes seconds, for forked workers to inherit."""
    for name in LIBRARIES.split():
        importlib.import_module(name)


def _faults(
    rule: RuleExpectation, outcome: Outcome, frame: pd.DataFrame, columns: Columns
) -> list[Fault]:
    """The rows at fault with their messages, worst first."""
    found = frame.iloc[list(outcome.rows)]
    if rule.sort_by is not None:
        found = found.sort_values(rule.sort_by, ascending=False, kind="stable")
    else:
        rank = {number: at for at, number in enumerate(columns.faults.get(rule.name, {}))}
        found = found.iloc[sorted(range(len(found)), key=lambda i: rank.get(outcome.rows[i], i))]
    return [Fault(row["id"], rule.message.format(**row)) for row in found.to_dict("records")]
