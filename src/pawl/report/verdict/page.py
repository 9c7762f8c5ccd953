"""The verdict page: self-contained HTML, without scripts, every text escaped."""

from __future__ import annotations

from pathlib import Path

from pawl.core.metrics import FALL, bounded, shown
from pawl.core.pages import render
from pawl.core.records import Comparison
from pawl.report.verdict.answers import cut, marked
from pawl.report.verdict.drawing import HEIGHT, LEFT, WIDTH, curve, strips
from pawl.report.verdict.record import VerdictPage
from pawl.report.verdict.words import STATES, course, gain, headline, held_text, next_steps

# Flips that are shown, and ids of changed train rows that are named: `pawl flips` has all.
LOST, WON, IDS = 40, 10, 8
# Lost rows that are open from the start.
OPEN = 6


def page(record: VerdictPage) -> str:
    """Return the page of one cycle, to be stored as UTF-8; deterministic."""
    judged = record.verdict.comparisons if record.verdict else ()
    guards = record.verdict.guards if record.verdict else ()
    beside = record.verdict.beside if record.verdict else ()
    comparisons = (*judged, *guards, *beside)
    return render(
        Path(__file__).parent,
        "verdict.html",
        title=f"{record.cycle.task}: verdict of {record.when}",
        page=record,
        cycle=record.cycle,
        state=STATES[record.cycle.verdict],
        headline=headline(record.cycle),
        steps=next_steps(record),
        comparisons=comparisons,
        words=[
            *("beaten" if one.passed else "not beaten" for one in judged),
            *("guard holds" if one.passed else "guard fails" for one in guards),
            *("informs" for _ in beside),
        ],
        states=[
            *("passed" if one.passed else "blocks" for one in (*judged, *guards)),
            *("quiet" for _ in beside),
        ],
        strips=strips(comparisons),
        curve=curve(record.training) if record.training else None,
        plot={"width": WIDTH, "height": HEIGHT, "left": LEFT},
        held=held_text(record),
        limits={"lost": LOST, "won": WON, "ids": IDS, "open": OPEN},
        metrics=sorted({metric for of in record.cycle.scores.values() for metric in of}),
        shown=shown,
        falls=FALL,
        difference=difference,
        interval=interval,
        probability=probability,
        duration=duration,
        course=course,
        marked=marked,
        cut=cut,
    )


def difference(comparison: Comparison) -> str:
    """By how much the candidate is better: `+48.7 points`, or in the metric's own unit."""
    return _signed(comparison.metric, gain(comparison))


def interval(comparison: Comparison) -> str:
    """The 95 % interval of the difference, or why there is none."""
    if comparison.interval is None:
        return "no interval: a single group gives none"
    low, high = (_signed(comparison.metric, end) for end in comparison.interval)
    return f"{low.removesuffix(' points')} to {high}"


def probability(p: float) -> str:
    """A p-value in two digits."""
    return f"{p:.2g}"


def duration(seconds: float) -> str:
    """A time in the unit that a person would use."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def _signed(metric: str, value: float) -> str:
    return f"{100 * value:+.1f} points" if bounded(metric) else f"{value:+.3g}"
