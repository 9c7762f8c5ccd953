"""Compares two versions of a task's rows: row by row, and by the findings of the check's rules."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pawl.config.schema import Task
from pawl.core.records import Example
from pawl.data.rules.measure import row_measurer
from pawl.data.rules.run_rules import run_rules
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import read_schema

# The reader's id of a row without one: its line, which shifts when other rows come and go.
LINE_ID = re.compile(r"row-\d+")
# Rows with the same prompt are matched by these in turn.
MATCH_BY: tuple[Callable[[Example], object], ...] = (
    lambda row: (row.id, row.completion),
    lambda row: row.completion,
    lambda row: row.id,
    lambda _: "",
)


@dataclass(frozen=True)
class Changed:
    """A row with another answer in the later version; `was` is its earlier id."""

    id: str
    was: str
    before: str
    after: str


@dataclass(frozen=True)
class Moved:
    """A row with another id and no other change."""

    id: str
    was: str


@dataclass(frozen=True)
class Difference:
    """The differences of two versions by row ids; rows are matched by prompt (`Example.key`).

    `touched` are rows with the same answer whose fields or prompt spelling changed.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[Changed, ...]
    moved: tuple[Moved, ...]
    touched: tuple[str, ...]


def compare_rows(before: Sequence[Example], after: Sequence[Example]) -> Difference:
    """Match rows with the same prompt by answer, then by id, then in order, and compare them.

    Each row is matched at most once, also among rows with the same prompt; takes linear time.
    """
    pairs, removed, added = _match(before, after)
    order = {id(row): at for at, row in enumerate(after)}
    pairs.sort(key=lambda pair: order[id(pair[1])])
    relabelled = [(was, now) for was, now in pairs if was.completion != now.completion]
    same = [(was, now) for was, now in pairs if was.completion == now.completion]
    return Difference(
        added=_in_file_order(added, after),
        removed=_in_file_order(removed, before),
        relabelled=tuple(Changed(n.id, w.id, w.completion, n.completion) for w, n in relabelled),
        moved=tuple(Moved(now.id, was.id) for was, now in pairs if _is_renamed(was, now)),
        touched=tuple(n.id for w, n in same if (w.fields, w.messages) != (n.fields, n.messages)),
    )


def rule_counts(workspace: Workspace, section: Task, rows: Sequence[Example]) -> dict[str, int]:
    """Run the task's rules on these rows and return each one's number of findings."""
    measurer = row_measurer(section, workspace.root, read_schema(workspace, section))
    return {rule.name: rule.found for rule in run_rules(rows, section, measurer).rules}


def _match(
    before: Sequence[Example], after: Sequence[Example]
) -> tuple[list[tuple[Example, Example]], Sequence[Example], Sequence[Example]]:
    """Return the pairs, the removed rows, the added rows."""
    pairs: list[tuple[Example, Example]] = []
    for attribute in MATCH_BY:
        unmatched: defaultdict[object, deque[Example]] = defaultdict(deque)
        for row in before:
            unmatched[row.key, attribute(row)].append(row)
        added = []
        for row in after:
            if candidates := unmatched.get((row.key, attribute(row))):
                pairs.append((candidates.popleft(), row))
            else:
                added.append(row)
        before, after = [row for rows in unmatched.values() for row in rows], added
    return pairs, before, after


def _is_renamed(was: Example, now: Example) -> bool:
    unnamed = LINE_ID.fullmatch(was.id) and LINE_ID.fullmatch(now.id)
    return was.id != now.id and not unnamed and dataclasses.replace(was, id=now.id) == now


def _in_file_order(wanted: Iterable[Example], rows: Sequence[Example]) -> tuple[str, ...]:
    """The rows' ids, unique within a file, in the order of its rows."""
    ids = {row.id for row in wanted}
    return tuple(row.id for row in rows if row.id in ids)
