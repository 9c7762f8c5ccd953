"""Which gate rows MLflow shows of a judged cycle, in which order, with every contender's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pawl.core.metrics import RISE, sign
from pawl.core.records import Example, HeldOutRow, Score, read_held_out_rows, read_rows
from pawl.core.records.io import read_records
from pawl.store.evaluation_runs import Answer
from pawl.workspace.paths import TaskFiles

CANDIDATE, CHAMPION = "candidate", "champion"
Row = Example | HeldOutRow


@dataclass(frozen=True)
class JudgedRow:
    """A gate row and each contender's score on it; `flip` is 'won' or 'lost' to the champion."""

    row: Row
    scores: Mapping[str, Score]
    flip: str | None


def judged_rows(files: TaskFiles, metric: str) -> list[JudgedRow]:
    """The gate rows of an evaluation: those lost to the champion, those won, then the rest.

    The rest is in the order of the rows' hashes, so that its beginning is a sample. Empty where no
    gate row was scored, or their scores are sealed.

    Raises:
        DataError: a file cannot be read.
    """
    if not (path := files.eval / "rows.jsonl").is_file():
        return []
    by_key: dict[str, dict[str, Score]] = {}
    for score in read_records(path, Score):
        if score.split == "gate":
            by_key.setdefault(score.key, {})[score.contender] = score
    known = _rows(files) if by_key else {}
    found = [
        JudgedRow(known[key], scores, _flip(scores, metric))
        for key, scores in by_key.items()
        if key in known
    ]
    order = {"lost": 0, "won": 1, None: 2}
    return sorted(found, key=lambda one: (order[one.flip], one.row.key))


def answer(judged: JudgedRow, contender: str, *, run: str, metrics: Sequence[str]) -> Answer:
    """A contender's answer to a row, as its evaluation run shows it; `metrics` are those shown."""
    score = judged.scores[contender]
    values = {name: score.values[name] for name in metrics if name in score.values}
    return Answer(
        run=run,
        contender=contender,
        row=judged.row.id,
        messages=judged.row.messages,
        reference=judged.row.completion,
        output=score.shown,
        # MLflow counts what is true, and averages numbers.
        values={k: bool(v) if k in RISE and v in (0.0, 1.0) else v for k, v in values.items()},
        flip=judged.flip if contender == CANDIDATE else None,
    )


def _rows(files: TaskFiles) -> dict[str, Row]:
    """The rows that may have been judged, by key: the register's answers are those first given."""
    rows: dict[str, Row] = {}
    if (checked := files.check / "rows.jsonl").is_file():
        rows |= {row.key: row for row in read_rows(checked)}
    if files.held_out_register.is_file():
        rows |= {row.key: row for row in read_held_out_rows(files.held_out_register)}
    return rows


def _flip(scores: Mapping[str, Score], metric: str) -> str | None:
    pair = [scores[name].values.get(metric) for name in (CANDIDATE, CHAMPION) if name in scores]
    mine, other = pair if len(pair) == 2 else (None, None)
    if mine is None or other is None or mine == other:
        return None
    return "won" if sign(metric) * (mine - other) > 0 else "lost"
