"""Records as markdown for the pages of MLflow and Prefect. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pawl.core.metrics import FALL, shown
from pawl.core.records import CheckReport, Cycle, Rule, Verdict, Worth
from pawl.core.records.commands import Check
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
        verdict_line(verdict.decision, stale=bool(stale)),
        sentence(stale or ""),
        bullets([sentence(reason) for reason in verdict.reasons]),
        _worth(worth),
        _comparisons(verdict),
        "#### Scores",
        score_table(verdict.scores),
        rows_line(verdict.rows),
    ]
    return "\n\n".join(part for part in parts if part)


def verdict_line(decision: str, *, stale: bool) -> str:
    """The first line of a version's page.

    MLflow's list of versions shows it as plain text, at most 32 characters of it.
    """
    return f"{decision}{', not applied' if stale else ''}"


def cycle_page(cycle: Cycle, *, mlflow: str = "", model: str = "") -> str:
    """The outcome of one cycle, for its pages in Prefect and MLflow.

    Args:
        mlflow: the address of MLflow's pages, to link to; none on those pages.
        model: the registered model there; '' where it is called like the task.
    """
    judged = "none" if cycle.candidate.version is None else f"version {cycle.candidate.version}"
    parts = [
        f"## {cycle.task}: {cycle.verdict}",
        bullets([sentence(reason) for reason in cycle.reasons]),
        f"Candidate: {judged}. Champion now: {cycle.champion.label()}.",
        _links(cycle, mlflow, model or cycle.task) if mlflow else "",
        _worth(cycle.worth),
        score_table(cycle.scores),
        rows_line(cycle.rows),
    ]
    return "\n\n".join(part for part in parts if part)


def check_page(report: CheckReport) -> str:
    """What each data rule found, for the Prefect run page: needed most if the run ended there."""
    head = "| rule | state | found | of | share | asks |\n|---|---|---:|---:|---:|---|"
    rows = [
        f"| {as_text(rule.name)} | {summary.state(rule)} | {rule.found:,} | {rule.of:,} "
        f"| {summary.share_text(rule)} | {as_text(rule.says)} |"
        for rule in summary.by_state(report)
    ]
    drift = [f"{as_text(d.name)}: {d.value:.3f} ({as_text(d.says)})" for d in report.drift]
    parts = [
        f"## {as_text(report.task)}: {as_text(summary.summary_text(report))}",
        f"{report.rows:,} rows, data `{report.data[:12]}`.",
        "\n".join([head, *rows]),
        *(_found(rule, report.task) for rule in summary.by_state(report) if not rule.passed),
        f"#### Drift from the champion's data (0 to 1)\n\n{bullets(drift)}" if drift else "",
    ]
    return "\n\n".join(part for part in parts if part)


def checks_page(found: Mapping[str, Sequence[Check]]) -> str:
    """The checks of every task's champion as a table."""
    lines = ["| task | check | | found |", "|---|---|---|---|"]
    for task, checks in found.items():
        for one in checks:
            said = as_text(one.found)
            lines.append(f"| {task} | {one.name} | {'ok' if one.ok else '**off**'} | {said} |")
    return "\n".join(lines)


def bullets(lines: Sequence[str]) -> str:
    """A markdown list; a line break within an item stays within it."""
    return "\n".join("- " + line.replace("\n", "\n  ") for line in lines)


def line_of_links(links: Mapping[str, str]) -> str:
    """Markdown links, by what they lead to, in one line."""
    return " · ".join(f"[{name}]({address})" for name, address in links.items())


def _found(rule: Rule, task: str) -> str:
    worst = bullets([f"{as_text(f.id)}: {as_text(f.says) or '–'}" for f in rule.worst])
    return f"#### {as_text(rule.name)}\n\n{summary.remedy(rule, task)}\n\n{worst}".strip()


def as_text(text: str) -> str:
    """A text of the data with markdown's characters escaped."""
    return MARKS.sub(r"\\\1", summary.printable(text))


def sentence(text: str) -> str:
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


def _links(cycle: Cycle, mlflow: str, model: str) -> str:
    """Links to the cycle's run and to the versions; MLflow's pages are below `#/`."""
    versions = {"candidate": cycle.candidate.version, "champion": cycle.champion.version}
    pages = {f"the run of this cycle (`{cycle.run_id}`)": f"runs/{cycle.run_id}"}
    if cycle.run_id is None:
        pages = {}
    for name, number in versions.items():
        if number is not None:
            pages[f"{name}, version {number}"] = f"models/{model}/versions/{number}"
    if not pages:
        return ""
    return "In MLflow: " + ", ".join(f"[{text}]({mlflow}/#/{at})" for text, at in pages.items())


def rows_line(rows: Mapping[str, int]) -> str:
    return "Rows: " + ", ".join(f"{n} {split}" for split, n in rows.items()) if rows else ""
