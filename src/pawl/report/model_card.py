"""The model card of a registered version, as its page in MLflow shows it. Pure.

After the headings of Mitchell et al. 2019: use, data, recipe, limits, scores with intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pawl.core.metrics import FALL, shown
from pawl.core.records import AdapterManifest, Comparison, Cycle, Verdict
from pawl.report.markdown import (
    as_text,
    bullets,
    line_of_links,
    rows_line,
    score_table,
    sentence,
    verdict_line,
)

SEALED = "The gate is sealed: its scores and rows are in the sealed evidence alone."


@dataclass(frozen=True)
class Origin:
    """What a card says of a version that its verdict does not: where things are.

    `data` names the data version, `licence` is that of the base, None where its folder states none;
    `links` are addresses by what they lead to.
    """

    data: str
    data_file: str
    commit: str
    licence: str | None
    links: Mapping[str, str]


def model_card(
    cycle: Cycle,
    verdict: Verdict,
    manifest: AdapterManifest,
    origin: Origin,
    *,
    params: Mapping[str, Any],
) -> str:
    """The card of the version that a cycle registered; `params`: the task's section then."""
    parts = [
        verdict_line(cycle.verdict, stale=cycle.stale),
        line_of_links(origin.links),
        bullets([sentence(reason) for reason in cycle.reasons]),
        f"#### Promote or roll back\n\n{_commands(cycle)}",
        f"#### Use\n\n{_use(verdict.task, manifest, origin)}",
        f"#### Data\n\n{_data(verdict, manifest, origin)}",
        f"#### Recipe\n\n{_recipe(manifest, params)}",
        _limits(verdict, params),
        _worth(cycle),
        _scores(verdict, params),
    ]
    return "\n\n".join(part for part in parts if part)


def _commands(cycle: Cycle) -> str:
    task, version = cycle.task, cycle.candidate.version
    return (
        f'```\npawl promote {task} {version} --reason "…"\n'
        f'pawl rollback {task} --reason "…"\npawl verify {task} {version}\n```\n\n'
        "**Not with MLflow's button *Promote model*, nor by moving the alias here**: neither is in "
        f"the ledger, and every command then refuses until a person names the champion "
        f"(`pawl adopt {task}`)."
    )


def _use(task: str, manifest: AdapterManifest, origin: Origin) -> str:
    base = manifest.base
    name = f"{base.model}@{base.revision}" if base.revision else base.model
    licence = origin.licence or "not stated in its folder: see where it comes from"
    return (
        f"A LoRA adapter for the one task {as_text(task)}, on the base {as_text(name)} "
        f"(digest `{base.digest[:12]}`, held as {manifest.quantisation}) and no other. "
        f"The base's licence: {as_text(licence)}."
    )


def _data(verdict: Verdict, manifest: AdapterManifest, origin: Origin) -> str:
    lines = [
        f"{as_text(origin.data)} of {as_text(origin.data_file)}, sha256 `{manifest.data[:12]}`, "
        f"commit {as_text(origin.commit[:12])}",
        rows_line(verdict.rows),
    ]
    if (before := verdict.champion.version) is not None:
        lines.append(f"what changed: `pawl data diff {verdict.task} v{before}`")
    return bullets([line for line in lines if line])


def _recipe(manifest: AdapterManifest, params: Mapping[str, Any]) -> str:
    names = ("epochs", "learning_rate", "batch_size", "max_length", "seed")
    train = {name: params.get("train", {}).get(name) for name in names}
    said = [f"rank {manifest.rank}", *(f"{k} {v}" for k, v in train.items() if v is not None)]
    text = as_text(f"QLoRA: {', '.join(said)}. All of it is on the run's page.")
    if manifest.ancestor is None:
        return text
    return f"{text} Its training went on from the weights of adapter `{manifest.ancestor[:12]}`."


def _limits(verdict: Verdict, params: Mapping[str, Any]) -> str:
    rows = verdict.rows.get("gate") if verdict.look else 0
    judged = f"Judged on {rows:,} held-out rows of this task" if rows else "Not judged on any row"
    return (
        f"#### Limits\n\n{judged}, by {params['gate']['metric']}; nothing is known of other tasks, "
        "languages or forms of prompt. It learned form, not facts: what changes (prices, dates) "
        "does not belong in it. A slice with few rows has a wide interval."
    )


def _worth(cycle: Cycle) -> str:
    said = [sentence(line) for line in cycle.worth.says] if cycle.worth else []
    return f"#### Worth it?\n\n{bullets(said)}" if said else ""


def _scores(verdict: Verdict, params: Mapping[str, Any]) -> str:
    sealed = params["gate"].get("disclosure") == "sealed"
    parts = [
        "#### Scores",
        SEALED if sealed else "",
        _differences([*verdict.comparisons, *verdict.guards]),
        score_table(verdict.scores),
    ]
    return "\n\n".join(part for part in parts if part)


def _differences(found: list[Comparison]) -> str:
    """Each comparison, over all rows or within a slice, with the interval of its difference."""
    if not found:
        return ""
    head = "| rows | metric | candidate | against | | difference (95 %) | |"
    rows = [
        f"| {as_text(c.slice) if c.slice else 'all'} | {as_text(c.metric)} "
        f"| {shown(c.metric, c.candidate)} | {as_text(c.against)} | {shown(c.metric, c.other)} "
        f"| {_interval(c)} | {'passed' if c.passed else 'failed'} |"
        for c in found
    ]
    return "\n".join([head, "|---|---|---:|---|---:|---|---|", *rows])


def _interval(comparison: Comparison) -> str:
    if comparison.interval is None:
        return "–"
    low, high = comparison.interval
    if comparison.metric in FALL:
        return f"{low:+.3g} to {high:+.3g}"
    return f"{100 * low:+.1f} to {100 * high:+.1f} points"
