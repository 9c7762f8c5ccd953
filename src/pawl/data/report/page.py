"""A check report as one HTML page: self-contained, without scripts, readable on a phone.

Every text is escaped, and the content security policy forbids to run or load anything.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from markupsafe import Markup

from pawl.core.pages import render, text_of, with_code
from pawl.core.records import CheckReport, Drift, Fault, Rule
from pawl.data.report import check_summary as summary
from pawl.data.report.plots import plots

STATE_WORDS = {"blocks": "blocks", "warns": "warning", "passed": "passed"}


def page(report: CheckReport) -> str:
    """Return the HTML page, to be stored beside the report as UTF-8; it is deterministic."""
    title = f"{report.task}: data check"
    parts = (
        _head(report, title),
        "<main>",
        _rules(report),
        plots(report.histograms),
        _drift(report),
        _origin(report),
        "</main>",
    )
    body = Markup("\n".join(part for part in parts if part))  # noqa: S704 - each escapes its texts
    return render(Path(__file__).parent, "page.html", title=title, body=body)


def _head(report: CheckReport, title: str) -> str:
    states = Counter(map(summary.state, report.rules))
    counts = f"{states['blocks']} block, {states['warns']} warn, {states['passed']} passed"
    return (
        f"<header>\n<h1>{text_of(title)}</h1>\n"
        f'<p class="verdict {"passed" if summary.may_train(report) else "blocks"}" id="verdict">'
        f"{text_of(summary.summary_text(report))}</p>\n"
        f'<p class="soft">{report.rows:,} rows, {len(report.rules)} rules: {counts}. '
        f'<a href="{summary.DOCS}">Data Docs of Great Expectations</a></p>\n'
        f"{_notes(report)}</header>"
    )


def _notes(report: CheckReport) -> str:
    """How the rows are read, and what of them is not used."""
    lines = "".join(f"<li>{text_of(note)}</li>\n" for note in report.notes)
    return f'<ul class="soft">\n{lines}</ul>\n' if lines else ""


def _rules(report: CheckReport) -> str:
    rows = "\n".join(_rule(rule, report) for rule in summary.by_state(report))
    return (
        '<section aria-labelledby="rules">\n<h2 id="rules">Rules</h2>\n<table class="rules">\n'
        '<thead><tr><th scope="col">Rule</th><th scope="col">State</th>'
        '<th scope="col" class="n">Found</th><th scope="col" class="n">Share</th></tr></thead>\n'
        f"{rows}\n</table>\n</section>"
    )


def _rule(rule: Rule, report: CheckReport) -> str:
    """One rule as a group of table rows: its findings, then the remedy."""
    rule_state = summary.state(rule)
    name = text_of(rule.name).replace("_", "_<wbr>")
    of = f" <span>of {rule.of:,}</span>" if summary.share(rule) is not None else ""
    sample = "<small>a sample</small>" if rule in summary.sampled(report) else ""
    advice = f"<p><b>What to do:</b> {with_code(summary.remedy(rule, report.task))}</p>"
    return (
        f'<tbody id="rule-{text_of(rule.name)}">\n<tr><th scope="rowgroup">{name}</th>'
        f'<td><span class="state {rule_state}">{STATE_WORDS[rule_state]}</span></td>'
        f'<td class="n">{rule.found:,}{of}{sample}</td>'
        f'<td class="n">{summary.share_text(rule)}</td></tr>\n'
        f'<tr class="more"><td colspan="4"><p class="soft">{text_of(rule.says)}</p>'
        f"{'' if rule.passed else advice}{_worst(rule)}</td></tr>\n</tbody>"
    )


def _worst(rule: Rule) -> str:
    if not rule.worst:
        return ""
    n = len(rule.worst)
    many = f"The worst {n} of {rule.found:,}" if n < rule.found else summary.rows_text(n)
    rows = "".join(map(_fault, rule.worst))
    return (
        f'<details><summary>{many}</summary>\n<table class="worst"><thead><tr>'
        f'<th scope="col">Row</th><th scope="col">What is wrong</th></tr></thead>\n'
        f"<tbody>{rows}</tbody></table></details>"
    )


def _fault(fault: Fault) -> str:
    # Row ids may be in a right-to-left script.
    return (
        f'<tr><th scope="row"><bdi>{text_of(fault.id)}</bdi></th>'
        f"<td><bdi>{text_of(fault.says) or '–'}</bdi></td></tr>"
    )


def _drift(report: CheckReport) -> str:
    head = '<section aria-labelledby="drift">\n<h2 id="drift">Against the champion\'s data</h2>\n'
    if not report.drift:
        return f'{head}<p class="soft">{text_of(summary.drift_text(report))}</p>\n</section>'
    rows = "\n".join(map(_drift_row, report.drift))
    return (
        f'{head}<p class="soft">Distance from the champion\'s training data: 0 is the same, '
        '1 has nothing in common.</p>\n<table class="drift"><thead><tr>'
        '<th scope="col">What</th><th scope="col">In words</th>'
        f'<th scope="col" class="n">Distance</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
        "\n</section>"
    )


def _drift_row(drift: Drift) -> str:
    width = 100 * min(1.0, max(0.0, drift.value))
    return (
        f'<tr><th scope="row">{text_of(drift.name)}</th><td><bdi>{text_of(drift.says)}</bdi></td>'
        f'<td class="n">{drift.value:.3f}<span class="meter" aria-hidden="true">'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none">'
        f'<rect width="{width:.1f}" height="10"/></svg></span></td></tr>'
    )


def _origin(report: CheckReport) -> str:
    samples = "; ".join(f"{r.name}: {r.of:,} of {report.rows:,}" for r in summary.sampled(report))
    facts = {
        "task": text_of(report.task),
        "rows": f"{report.rows:,}",
        "rules that looked at a sample": text_of(samples) or "none: every rule saw every row",
        "data (sha256)": f"<code>{text_of(report.data)}</code>",
        "rules (sha256 of the suite)": f"<code>{text_of(report.suite) or '–'}</code>",
    }
    items = "\n".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in facts.items())
    return (
        '<section aria-labelledby="origin">\n<h2 id="origin">What was checked</h2>\n'
        f'<dl class="panel">\n{items}\n</dl>\n</section>'
    )
