"""Records as markdown for the pages of MLflow and Prefect. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pawl.core.metrics import FALL, shown
from pawl.core.records import CheckReport, Cycle, Rule, Verdict, Worth
from pawl.core.visible import visible
from pawl.data.report import check_summary as summary

Scores = Mapping[str, Mapping[str, float]]
# Characters that markdown would interpret in a line of text.
MARKS = re.compile(r"([\\`*_\[\]<>|~&#])")
# Those of them that mark something within a sentence of ours, which names metrics and numbers.
WITHIN = re.compile(r"([\\`*\[\]<>|&])")


def score_table(scores: Scores) -> str:
    """A markdown table, a row per metric and a column per contender; '–' where not measured."""
    metrics = sorted({metric for values in scores.values() for metric in values})
    if not metrics:
        return "No scores."
    head = ["metric", *scores]
    rows = [
        [
            f"{metric} ↓" if metric in FALL else metric,
            *(shown(metric, v[metric]) if metric in v else "–" for v in scores.values()),
        ]
        for metric in metrics
    ]
    aligned = ["---", *("---:" for _ in scores)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, aligned, *rows))


def verdict_page(verdict: Verdict, worth: Worth | None = None, *, stale: str | None = None) -> str:
    """The page of a registered version: verdict, reasons, worth, comparisons, scores."""
    parts = [
        # MLflow's list of versions shows this line as plain text, at most 32 characters of it.
        f"{verdict.decision}{', not applied' if stale else ''}",
        _sentence(stale or ""),
        bullets([_sentence(reason) for reason in verdict.reasons]),
        _worth(worth),
        _comparisons(verdict),
        "#### Scores",
        score_table(verdict.scores),
        _rows(verdict.rows),
    ]
    return "\n\n".join(part for part in parts if part)


def cycle_page(cycle: Cycle, *, mlflow: str) -> str:
    """The outcome of one cycle, for its Prefect run page; `mlflow`: where MLflow's pages are."""
    judged = "none" if cycle.candidate.version is None else f"version {cycle.candidate.version}"
    parts = [
        f"## {cycle.task}: {cycle.verdict}",
        bullets([_sentence(reason) for reason in cycle.reasons]),
        f"Candidate: {judged}. Champion now: {cycle.champion.label()}.",
        _links(cycle, mlflow),
        _worth(cycle.worth),
        score_table(cycle.scores),
        _rows(cycle.rows),
    ]
    return "\n\n".join(part for part in parts if part)


def check_page(report: CheckReport) -> str:
    """What each data rule found, for the Prefect run page: needed most if the run ended there."""
    head = "| rule | state | found | of | share | asks |\n|---|---|---:|---:|---:|---|"
    rows = [
        f"| {_literal(rule.name)} | {summary.state(rule)} | {rule.found:,} | {rule.of:,} "
        f"| {summary.share_text(rule)} | {_literal(rule.says)} |"
        for rule in summary.by_state(report)
    ]
    drift = [f"{_literal(d.name)}: {d.value:.3f} ({_literal(d.says)})" for d in report.drift]
    parts = [
        f"## {_literal(report.task)}: {_literal(summary.summary_text(report))}",
        f"{report.rows:,} rows, data `{report.data[:12]}`.",
        "\n".join([head, *rows]),
        *(_found(rule, report.task) for rule in summary.by_state(report) if not rule.passed),
        f"#### Drift from the champion's data (0 to 1)\n\n{bullets(drift)}" if drift else "",
    ]
    return "\n\n".join(part for part in parts if part)


def bullets(lines: Sequence[str]) -> str:
    """A markdown list; a line break within an item stays within it."""
    return "\n".join("- " + line.replace("\n", "\n  ") for line in lines)


def _found(rule: Rule, task: str) -> str:
    worst = bullets([f"{_literal(f.id)}: {_literal(f.says) or '–'}" for f in rule.worst])
    return f"#### {_literal(rule.name)}\n\n{summary.remedy(rule, task)}\n\n{worst}".strip()


def _literal(text: str) -> str:
    """A text of the data with markdown's characters escaped."""
    return MARKS.sub(r"\\\1", summary.printable(text))


def _sentence(text: str) -> str:
    """A sentence that may name a slice, a row or a server's message, escaped likewise."""
    return WITHIN.sub(r"\\\1", visible(text))


def _comparisons(verdict: Verdict) -> str:
    if not verdict.comparisons:
        return ""
    head = "| against | metric | candidate | other | won | lost | p | must be below | |"
    rows = [
        f"| {c.against} | {c.metric} | {shown(c.metric, c.candidate)} "
        f"| {shown(c.metric, c.other)} | {c.wins} | {c.losses} "
        f"| {c.p:.3g} | {c.level:.3g} | {'passed' if c.passed else 'failed'} |"
        for c in verdict.comparisons
    ]
    return "\n".join([head, "|---|---|---:|---:|---:|---:|---:|---:|---|", *rows])


def _worth(worth: Worth | None) -> str:
    return f"#### Worth it?\n\n{bullets(worth.says)}" if worth else ""


def _links(cycle: Cycle, mlflow: str) -> str:
    """Links to the cycle's run and to the versions; MLflow's pages are below `#/`."""
    versions = {"candidate": cycle.candidate.version, "champion": cycle.champion.version}
    pages = {f"the run of this cycle (`{cycle.run_id}`)": f"runs/{cycle.run_id}"}
    if cycle.run_id is None:
        pages = {}
    for name, number in versions.items():
        if number is not None:
            pages[f"{name}, version {number}"] = f"models/{cycle.task}/versions/{number}"
    if not pages:
        return ""
    return "In MLflow: " + ", ".join(f"[{text}]({mlflow}/#/{at})" for text, at in pages.items())


def _rows(rows: Mapping[str, int]) -> str:
    return "Rows: " + ", ".join(f"{n} {split}" for split, n in rows.items()) if rows else ""
