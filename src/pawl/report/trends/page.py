"""The trends of a task as one self-contained HTML page, in the style of the verdict page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pawl.core.metrics import bounded, shown
from pawl.core.pages import render
from pawl.report.trends.record import TaskReport
from pawl.report.trends.words import headline, moved, rows_text, spent_text

# In the plot's own units; as wide as a phone, so that its text keeps its size there.
WIDTH, HEIGHT = 360.0, 170.0
LEFT, TOP, BOTTOM = 40.0, 14.0, 30.0
# Moments that have a label below the axis.
LABELS = 9


@dataclass(frozen=True)
class Mark:
    """A moment of the plot: a version that was judged, or a release of one."""

    x: float
    y: float
    label: str
    says: str
    release: bool


@dataclass(frozen=True)
class Plot:
    """Moments in their order; `line` is the champion's score from release to release."""

    marks: tuple[Mark, ...]
    line: str
    ticks: tuple[tuple[float, str], ...]


def page(report: TaskReport) -> str:
    """Return the page, to be stored as UTF-8; deterministic."""
    return render(
        Path(__file__).parent,
        "trends.html",
        title=f"{report.task}: trends",
        report=report,
        headline=headline(report),
        plot=plot(report),
        size={"width": WIDTH, "height": HEIGHT, "left": LEFT},
        most=max((one.rows.get("train", 0) for one in report.versions), default=0),
        rows_text=rows_text(report),
        spent_text=spent_text(report),
        moved=moved,
        score=lambda value: "–" if value is None else shown(report.metric, value),
    )


def plot(report: TaskReport) -> Plot | None:
    """Scores on the same rows over judgements and releases; None where no two can be shown."""
    scores = {one.version: one.same for one in report.versions if one.same is not None}
    moments = [
        *((one.when, 0, one.version, f"judged: {one.verdict}") for one in report.versions),
        *((e.when, 1, e.version, moved(e)) for e in report.changes if e.from_ or e.kind == "first"),
    ]
    moments = sorted(moment for moment in moments if moment[2] in scores)
    if len(moments) < 2:
        return None
    low, high = (
        (0.0, 1.0) if bounded(report.metric) else (min(scores.values()), max(scores.values()))
    )

    def height(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return TOP + (1 - min(1.0, max(0.0, share))) * (HEIGHT - TOP - BOTTOM)

    gap = (WIDTH - LEFT - 24) / (len(moments) - 1)
    marks, line, champion = [], list[str](), None
    for at, (when, kind, version, says) in enumerate(moments):
        if version is None:
            continue
        x, y = LEFT + 12 + gap * at, height(scores[version])
        label = f"{version}" if len(moments) <= LABELS else ""
        text = f"{when[:10]}, version {version}, {says}: {shown(report.metric, scores[version])}"
        marks.append(Mark(x, y, label, text, kind == 1))
        if kind == 1:
            # Until now the champion of before.
            line += [f"{x:.1f},{champion:.1f}"] if champion is not None else []
            line.append(f"{x:.1f},{y:.1f}")
            champion = y
    if champion is not None:
        line.append(f"{WIDTH:.1f},{champion:.1f}")
    ticks = tuple((height(value), shown(report.metric, value)) for value in (low, high))
    return Plot(tuple(marks), " ".join(line), ticks)
