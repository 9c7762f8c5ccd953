"""Histograms as SVG bar charts, each with its numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from pawl.core.pages import text_of
from pawl.core.records import Histogram

# In the plot's own units; as wide as a phone, so that its text keeps its size there.
WIDTH, HEIGHT, BOTTOM, TOP = 360, 150, 20, 16
# The height of the smallest visible bar.
MIN_BAR = 1.5


def plots(histograms: Sequence[Histogram]) -> str:
    """Return a section with a figure per histogram, or an empty string."""
    if not histograms:
        return ""
    figures = "\n".join(_plot(h, f"plot-{i}") for i, h in enumerate(histograms))
    return (
        '<section aria-labelledby="lengths">\n<h2 id="lengths">How the rows are made</h2>\n'
        f'<div class="plots">\n{figures}\n</div>\n</section>'
    )


def _plot(histogram: Histogram, name: str) -> str:
    unit, edges = text_of(histogram.unit), map(_number, histogram.edges)
    bins = [(*of, count) for of, count in zip(pairwise(edges), histogram.counts, strict=True)]
    total, most = sum(histogram.counts), max(histogram.counts, default=0)
    title = f"{text_of(histogram.name)}, rows by {unit}"
    # The upper edge of the first bin up to which at least half of the rows lie.
    half = bins[sum(2 * below < total for below in accumulate(histogram.counts))][1]
    summary = f"{total:,} rows; the fullest bin holds {most:,}; half lie below {half}"
    numbers = "".join(
        f'<tr><th scope="row">{low} to {high}</th><td class="n">{count:,}</td></tr>'
        for low, high, count in bins
    )
    return (
        f'<figure class="panel" id="{name}">\n<figcaption>{text_of(histogram.name)}</figcaption>\n'
        f'<p class="soft">{summary} {unit}.</p>\n'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{name}-title {name}-says">\n'
        f'<title id="{name}-title">{title}</title><desc id="{name}-says">{summary} {unit}</desc>\n'
        f"{_bars(histogram, bins, most)}\n{_axis(histogram, most)}\n</svg>\n"
        f"<details><summary>As numbers</summary>\n"
        f'<table class="bins"><thead><tr><th scope="col">{unit}</th>'
        f'<th scope="col" class="n">Rows</th></tr></thead>\n<tbody>{numbers}</tbody></table>'
        "</details>\n</figure>"
    )


def _bars(histogram: Histogram, bins: Sequence[tuple[str, str, int]], most: int) -> str:
    wide, high = WIDTH / max(1, len(bins)), HEIGHT - BOTTOM - TOP
    unit, drawn = text_of(histogram.unit), []
    for at, (low, to, count) in enumerate(bins):
        tall = max(MIN_BAR, high * count / most) if count else 0
        drawn.append(
            f'<rect x="{at * wide + 0.5:.2f}" y="{HEIGHT - BOTTOM - tall:.2f}" '
            f'width="{wide - 1:.2f}" height="{tall:.2f}">'
            f"<title>{low} to {to} {unit}: {count:,} rows</title></rect>"
        )
    return "\n".join(drawn)


def _axis(histogram: Histogram, most: int) -> str:
    """The x axis with its first, middle and last edge, and a line at the fullest bin."""
    edges, base = histogram.edges, HEIGHT - BOTTOM
    middle = len(edges) // 2
    marks = (
        (0, "start", edges[0]),
        (WIDTH * middle / (len(edges) - 1), "middle", edges[middle]),
        (WIDTH, "end", edges[-1]),
    )
    words = "".join(
        f'<text x="{x:.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{_number(edge)}</text>'
        for x, anchor, edge in marks
    )
    return (
        f'<line x1="0" x2="{WIDTH}" y1="{base}" y2="{base}"/>'
        f'<line x1="0" x2="{WIDTH}" y1="{TOP}" y2="{TOP}" stroke-dasharray="2 4"/>'
        f'<text x="0" y="{TOP - 4}">{most:,} rows</text>{words}'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
