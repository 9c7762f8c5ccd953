"""A check report as one HTML page: self-contained, without a script, readable on a phone.

Nothing is on it that is not in the record. Every text is escaped, and the page forbids itself to
run or to load anything, whatever a row may have brought in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from pawl.fitness import (
    DOCS,
    drift_text,
    fit,
    plain,
    ranked,
    remedy,
    sampled,
    share,
    share_text,
    state,
    verdict,
)
from pawl.records import CheckReport, Drift, Fault, Histogram, Rule

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STATE_WORDS = {"blocks": "blocks", "warns": "warning", "passed": "passed"}
# Of a plot, in its own units; as wide as a phone, so that its words keep their size there.
WIDTH, HEIGHT, BOTTOM, TOP = 360, 150, 20, 16
# A bin that holds anything can be seen.
LEAST = 1.5


def page(report: CheckReport) -> str:
    """The page, to be written beside the report as UTF-8; the same report gives the same bytes."""
    title = f"{report.task}: data check"
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    parts = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>",
        _head(report, title),
        "<main>",
        _rules(report),
        _plots(report.histograms),
        _drift(report),
        _origin(report),
        "</main>\n</body>\n</html>\n",
    )
    return "\n".join(part for part in parts if part)


def _head(report: CheckReport, title: str) -> str:
    states = Counter(map(state, report.rules))
    counts = f"{states['blocks']} block, {states['warns']} warn, {states['passed']} passed"
    return (
        f"<header>\n<h1>{_text(title)}</h1>\n"
        f'<p class="verdict {"passed" if fit(report) else "blocks"}" id="verdict">'
        f"{_text(verdict(report))}</p>\n"
        f'<p class="soft">{report.rows:,} rows, {len(report.rules)} rules: {counts}. '
        f'<a href="{DOCS}">Data Docs of Great Expectations</a></p>\n</header>'
    )


def _rules(report: CheckReport) -> str:
    rows = "\n".join(_rule(rule, report) for rule in ranked(report))
    return (
        '<section aria-labelledby="rules">\n<h2 id="rules">Rules</h2>\n<table class="rules">\n'
        '<thead><tr><th scope="col">Rule</th><th scope="col">State</th>'
        '<th scope="col" class="n">Found</th><th scope="col" class="n">Share</th></tr></thead>\n'
        f"{rows}\n</table>\n</section>"
    )


def _rule(rule: Rule, report: CheckReport) -> str:
    """One rule as a group of rows of the table: what it found, then what to do about it."""
    now = state(rule)
    name = _text(rule.name).replace("_", "_<wbr>")
    of = f" <span>of {rule.of:,}</span>" if share(rule) is not None else ""
    sample = "<small>a sample</small>" if rule in sampled(report) else ""
    do = f"<p><b>What to do:</b> {_prose(remedy(rule, report.task))}</p>"
    return (
        f'<tbody id="rule-{_text(rule.name)}">\n<tr><th scope="rowgroup">{name}</th>'
        f'<td><span class="state {now}">{STATE_WORDS[now]}</span></td>'
        f'<td class="n">{rule.found:,}{of}{sample}</td>'
        f'<td class="n">{share_text(rule)}</td></tr>\n'
        f'<tr class="more"><td colspan="4"><p class="soft">{_text(rule.says)}</p>'
        f"{'' if rule.passed else do}{_worst(rule)}</td></tr>\n</tbody>"
    )


def _worst(rule: Rule) -> str:
    if not rule.worst:
        return ""
    shown = len(rule.worst)
    many = f"The worst {shown} of {rule.found:,}" if shown < rule.found else f"All {shown}"
    rows = "".join(map(_fault, rule.worst))
    return (
        f'<details><summary>{many}</summary>\n<table class="worst"><thead><tr>'
        f'<th scope="col">Row</th><th scope="col">What is wrong</th></tr></thead>\n'
        f"<tbody>{rows}</tbody></table></details>"
    )


def _fault(fault: Fault) -> str:
    # Names of rows may be in a script that runs the other way.
    return (
        f'<tr><th scope="row"><bdi>{_text(fault.id)}</bdi></th>'
        f"<td><bdi>{_text(fault.says) or '–'}</bdi></td></tr>"
    )


def _plots(histograms: Sequence[Histogram]) -> str:
    if not histograms:
        return ""
    plots = "\n".join(_plot(h, f"plot-{i}") for i, h in enumerate(histograms))
    return (
        '<section aria-labelledby="lengths">\n<h2 id="lengths">How the rows are made</h2>\n'
        f'<div class="plots">\n{plots}\n</div>\n</section>'
    )


def _plot(histogram: Histogram, name: str) -> str:
    unit, bins = _text(histogram.unit), list(_bins(histogram))
    total, most = sum(histogram.counts), max(histogram.counts, default=0)
    title = f"{_text(histogram.name)}, rows by {unit}"
    says = f"{total:,} rows; the fullest bin holds {most:,}; half lie below {_half(histogram)}"
    numbers = "".join(
        f'<tr><th scope="row">{low} to {high}</th><td class="n">{count:,}</td></tr>'
        for low, high, count in bins
    )
    return (
        f'<figure class="panel" id="{name}">\n<figcaption>{_text(histogram.name)}</figcaption>\n'
        f'<p class="soft">{says} {unit}.</p>\n'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{name}-title {name}-says">\n'
        f'<title id="{name}-title">{title}</title><desc id="{name}-says">{says} {unit}</desc>\n'
        f"{_bars(histogram, bins, most)}\n{_axis(histogram, most)}\n</svg>\n"
        f"<details><summary>As numbers</summary>\n"
        f'<table class="bins"><thead><tr><th scope="col">{unit}</th>'
        f'<th scope="col" class="n">Rows</th></tr></thead>\n<tbody>{numbers}</tbody></table>'
        "</details>\n</figure>"
    )


def _bars(histogram: Histogram, bins: Sequence[tuple[str, str, int]], most: int) -> str:
    wide, high = WIDTH / max(1, len(bins)), HEIGHT - BOTTOM - TOP
    unit, drawn = _text(histogram.unit), []
    for at, (low, to, count) in enumerate(bins):
        tall = max(LEAST, high * count / most) if count else 0
        drawn.append(
            f'<rect x="{at * wide + 0.5:.2f}" y="{HEIGHT - BOTTOM - tall:.2f}" '
            f'width="{wide - 1:.2f}" height="{tall:.2f}">'
            f"<title>{low} to {to} {unit}: {count:,} rows</title></rect>"
        )
    return "\n".join(drawn)


def _axis(histogram: Histogram, most: int) -> str:
    """The base line with the first, middle and last edge, and the height of the fullest bin."""
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


def _drift(report: CheckReport) -> str:
    head = '<section aria-labelledby="drift">\n<h2 id="drift">Against the champion\'s data</h2>\n'
    if not report.drift:
        return f'{head}<p class="soft">{_text(drift_text(report))}</p>\n</section>'
    rows = "\n".join(map(_drifted, report.drift))
    return (
        f'{head}<p class="soft">Distance from the champion\'s training data: 0 is the same, '
        '1 has nothing in common.</p>\n<table class="drift"><thead><tr>'
        '<th scope="col">What</th><th scope="col">In words</th>'
        f'<th scope="col" class="n">Distance</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
        "\n</section>"
    )


def _drifted(drift: Drift) -> str:
    wide = 100 * min(1.0, max(0.0, drift.value))
    return (
        f'<tr><th scope="row">{_text(drift.name)}</th><td><bdi>{_text(drift.says)}</bdi></td>'
        f'<td class="n">{drift.value:.3f}<span class="meter" aria-hidden="true">'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none">'
        f'<rect width="{wide:.1f}" height="10"/></svg></span></td></tr>'
    )


def _origin(report: CheckReport) -> str:
    samples = "; ".join(f"{rule.name}: {rule.of:,} of {report.rows:,}" for rule in sampled(report))
    facts = {
        "task": _text(report.task),
        "rows": f"{report.rows:,}",
        "rules that looked at a sample": _text(samples) or "none: every rule saw every row",
        "data (sha256)": f"<code>{_text(report.data)}</code>",
        "rules (sha256 of the suite)": f"<code>{_text(report.suite) or '–'}</code>",
    }
    listed = "\n".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in facts.items())
    return (
        '<section aria-labelledby="origin">\n<h2 id="origin">What was checked</h2>\n'
        f'<dl class="panel">\n{listed}\n</dl>\n</section>'
    )


def _bins(histogram: Histogram) -> Iterable[tuple[str, str, int]]:
    """Lower edge, upper edge, rows."""
    for (low, high), count in zip(pairwise(histogram.edges), histogram.counts, strict=True):
        yield _number(low), _number(high), count


def _half(histogram: Histogram) -> str:
    """The first edge below which at least half of the rows lie."""
    total, below = sum(histogram.counts), 0
    for edge, count in zip(histogram.edges[1:], histogram.counts, strict=True):
        below += count
        if 2 * below >= total:
            return _number(edge)
    return _number(histogram.edges[-1])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


def _prose(text: str) -> str:
    """Our own words: what stands between backquotes is code."""
    parts = _text(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def _text(text: str) -> str:
    """A text as HTML that UTF-8 can hold, whatever is in it."""
    return escape(plain(text))
