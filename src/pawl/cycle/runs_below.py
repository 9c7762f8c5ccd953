"""The runs below a judged cycle's in MLflow: its training, and each contender's gate rows."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property

from pawl.core.records import Cycle, RankTrial, Training, Verdict, read_record
from pawl.cycle.outbox import Order
from pawl.cycle.shown_answers import CANDIDATE, answer, judged_rows
from pawl.store.client import Store
from pawl.store.descriptions import EVALUATION, PARENT, RunText, describe_run
from pawl.store.evaluation_runs import delete_answers, log_answers
from pawl.store.runs import end_run, find_run, log_curve, open_run, trainings
from pawl.workspace.paths import TaskFiles

# So many rows at most, those that candidate and champion answer differently well first.
ROWS = 500
# Seconds that these may take, and the share of the training's own seconds (at least the least); the
# other rows are left out after a part of it.
MOST, SHARE, LEAST, OTHERS = 6.0, 0.03, 2.0, 0.6


@dataclass(frozen=True)
class Pages:
    """One judged cycle and where its pages are: the ids of its experiment and its run."""

    store: Store
    order: Order
    files: TaskFiles
    cycle: Cycle
    verdict: Verdict
    experiment: str
    run: str
    name: str

    @cached_property
    def policy(self) -> tuple[str, ...]:
        """The metrics that the gate judges by, the deciding one first."""
        gate = self.order.params["gate"]
        return tuple(dict.fromkeys([gate["metric"], *gate["guards"], *gate["floors"]]))

    @property
    def version(self) -> int | None:
        return self.cycle.candidate.version


def describe_training(pages: Pages) -> None:
    """The training below its cycle: the run that was watched, or one with the curve alone."""
    if not pages.files.training.is_file():
        return
    training = read_record(pages.files.training, Training)
    watched = _watched(pages, training)
    run = watched or _child(pages, "training")
    if watched is None:
        log_curve(pages.store, run, [asdict(point) for point in training.points])
        dev = [{"step": p.step, "dev_loss": p.loss} for p in training.dev_points]
        log_curve(pages.store, run, dev)
    log_curve(pages.store, run, [by_rank(rung) for rung in training.rungs], prefix="rank")
    seconds, choices = training.seconds, training.choices.says()
    text = RunText(
        name=f"training · version {pages.version}",
        description=f"{training.tokens:,} tokens in {seconds:,.0f} s: {choices}.",
        tags={},
        metrics={"dev_loss": training.dev_loss, "train_loss": training.train_loss},
        parent=pages.run,
    )
    describe_run(pages.store, run, text)
    if watched is None:
        end_run(pages.store, run)


def _watched(pages: Pages, training: Training) -> str | None:
    """The live run of a training, known by its last loss; None where nobody could watch it."""
    last = training.points[-1].loss if training.points else math.nan
    for run in trainings(pages.store, pages.order.task):
        same = math.isclose(run.data.metrics.get("train/loss", math.inf), last, rel_tol=1e-9)
        # With --force a training may serve two cycles: it stays below the first.
        if same and run.data.tags.get(PARENT, pages.run) == pages.run:
            return str(run.info.run_id)
    return None


def by_rank(rung: RankTrial) -> dict[str, float]:
    """A rung as a point of the curve over ranks: MLflow draws the rank where it draws a step."""
    losses = {"train_loss": rung.train_loss, "dev_loss": rung.dev_loss, "gap": rung.gap}
    p = {} if rung.p is None else {"p": rung.p}
    return {"step": rung.rank, **losses, "kept": float(rung.kept), **p}


def describe_contenders(pages: Pages) -> tuple[dict[str, str], str]:
    """A run a contender with its gate rows; their ids by contender, and which rows they show."""
    rows = judged_rows(pages.files, pages.policy[0])
    names = [one for one in pages.verdict.scores if any(one in row.scores for row in rows)]
    if not names:
        return {}, ""
    runs = {name: _child(pages, f"evaluation of {name}") for name in names}
    # The candidate and who it is compared with first: time may be over before the others' turn.
    first = [CANDIDATE, *(one.against for one in pages.verdict.comparisons[:1])]
    groups = [[one for one in names if one in first], [one for one in names if one not in first]]
    answers = [
        [
            answer(row, name, run=runs[name], metrics=pages.policy)
            for name in group
            if name in row.scores
        ]
        for group in groups
        for row in rows[:ROWS]
    ]
    delete_answers(pages.store, pages.experiment, list(runs.values()))
    most = _seconds(pages)
    written = log_answers(pages.store, pages.experiment, answers, seconds=OTHERS * most, most=most)
    for name, run in runs.items():
        said = _rows_said(written[run], len(rows), flips=sum(bool(row.flip) for row in rows))
        text = RunText(
            name=f"{name} · version {pages.version}'s gate rows",
            description=said,
            tags=EVALUATION,
            metrics=pages.verdict.scores[name],
            parent=pages.run,
        )
        describe_run(pages.store, run, text)
        end_run(pages.store, run)
    flips = sum(bool(row.flip) for row in rows)
    return runs, _rows_said(written[runs[CANDIDATE]], len(rows), flips=flips)


def _seconds(pages: Pages) -> float:
    """How long the rows may take to write: a small part of what the cycle has taken."""
    if not pages.files.training.is_file():
        return MOST
    trained = read_record(pages.files.training, Training).seconds
    return min(MOST, max(LEAST, SHARE * trained))


def _rows_said(written: int, of: int, *, flips: int) -> str:
    if written == of:
        return f"All {of:,} gate rows are shown, those that the champion did better on first."
    kind = "those that candidate and champion do differently well on, and a sample of the rest"
    if written < flips:
        kind = "there was no time for all that candidate and champion do differently well on"
    return (
        f"{written:,} of {of:,} gate rows are shown: {kind}. Shares above the rows are of those "
        "shown; the run's metrics are of all rows."
    )


def _child(pages: Pages, what: str) -> str:
    """The id of a run below the cycle's: the same for a second attempt."""
    op_id = f"{what} of {pages.run}"
    found = find_run(pages.store, pages.order.task, op_id)
    if found is not None:
        return str(found.info.run_id)
    return open_run(pages.store, pages.order.task, op_id=op_id, name=what, tags={})
