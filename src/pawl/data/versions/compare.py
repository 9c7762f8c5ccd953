"""How two versions of a task's rows differ: row by row, and in what the check's rules find."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pawl.config.schema import Task
from pawl.core.records import Example
from pawl.data.rules.examine import examine
from pawl.data.rules.measure import ruler_of
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import read_schema

# What the reader calls a row that brings no name: its place, which moves when others come and go.
PLACE = re.compile(r"row-\d+")
# Of rows that ask the same, those belong together that share this.
CLOSEST_FIRST: tuple[Callable[[Example], object], ...] = (
    lambda row: (row.id, row.completion),
    lambda row: row.completion,
    lambda row: row.id,
    lambda _: "",
)


@dataclass(frozen=True)
class Changed:
    """A row in both versions with another answer; `was` is its id before."""

    id: str
    was: str
    before: str
    after: str


@dataclass(frozen=True)
class Moved:
    """A row in both versions with another id and nothing else."""

    id: str
    was: str


@dataclass(frozen=True)
class Difference:
    """Rows of two versions, matched by what they ask (`Example.key`).

    `added` and `removed` are ids, `touched` those of rows whose fields or typing changed and whose
    answer did not.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[Changed, ...]
    moved: tuple[Moved, ...]
    touched: tuple[str, ...]


def difference(before: Sequence[Example], after: Sequence[Example]) -> Difference:
    """Match rows that ask the same: by answer first, then by id, then in their order.

    Where several rows ask the same, each stands for itself; time grows with the number of rows.
    """
    waiting: defaultdict[str, list[Example]] = defaultdict(list)
    for row in before:
        waiting[row.key].append(row)
    coming: defaultdict[str, list[Example]] = defaultdict(list)
    for row in after:
        coming[row.key].append(row)
    added: list[str] = []
    removed: list[str] = []
    pairs: list[tuple[Example, Example]] = []
    for key in waiting.keys() | coming.keys():
        matched, gone, new = _pairs(waiting.get(key, []), coming.get(key, []))
        pairs += matched
        removed += (row.id for row in gone)
        added += (row.id for row in new)
    order = {id(row): at for at, row in enumerate(after)}
    pairs.sort(key=lambda pair: order[id(pair[1])])
    return Difference(
        added=_in_order(added, after),
        removed=_in_order(removed, before),
        relabelled=tuple(
            Changed(now.id, was.id, was.completion, now.completion)
            for was, now in pairs
            if was.completion != now.completion
        ),
        moved=tuple(Moved(now.id, was.id) for was, now in pairs if _moved(was, now)),
        touched=tuple(
            now.id
            for was, now in pairs
            if was.completion == now.completion
            and (was.fields, was.messages) != (now.fields, now.messages)
        ),
    )


def rules(workspace: Workspace, section: Task, rows: Sequence[Example]) -> dict[str, int]:
    """What each rule of the task's check finds in these rows, by its name.

    Raises:
        DataError, BaseError: the rules cannot be run.
    """
    ruler = ruler_of(section, workspace.root, read_schema(workspace, section))
    return {rule.name: rule.found for rule in examine(rows, section, ruler).rules}


def _pairs(
    before: list[Example], after: list[Example]
) -> tuple[list[tuple[Example, Example]], list[Example], list[Example]]:
    """Rows of one key: those that belong together, those that are gone, those that are new."""
    pairs: list[tuple[Example, Example]] = []
    for same in CLOSEST_FIRST:
        left: defaultdict[object, deque[Example]] = defaultdict(deque)
        for row in before:
            left[same(row)].append(row)
        new = []
        for row in after:
            found = left.get(same(row))
            if found:
                pairs.append((found.popleft(), row))
            else:
                new.append(row)
        before, after = [row for rows in left.values() for row in rows], new
    return pairs, before, after


def _moved(was: Example, now: Example) -> bool:
    places = PLACE.fullmatch(was.id) and PLACE.fullmatch(now.id)
    return was.id != now.id and not places and dataclasses.replace(was, id=now.id) == now


def _in_order(names: list[str], rows: Sequence[Example]) -> tuple[str, ...]:
    """Names in the order of the file that they stand in; ids are unique within it."""
    wanted = set(names)
    return tuple(row.id for row in rows if row.id in wanted)
