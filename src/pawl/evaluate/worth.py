"""Worth: does the adapter beat prompting on this base, and what does a call save?"""

from __future__ import annotations

import math
from dataclasses import replace

from pawl.config.schema import Cost
from pawl.core.metrics import FALL, sign
from pawl.core.records import (
    Comparison,
    Contender,
    EvalReport,
    Timing,
    Training,
    Verdict,
    Worth,
    read_record,
)
from pawl.workspace.paths import Workspace

CANDIDATE, CHAMPION = "candidate", "champion"
HOUR, MILLION = 3600.0, 1e6


def read_worth(workspace: Workspace, task: str) -> Worth | None:
    """The worth of the candidate in `build/`, from the stages' records; None if sealed.

    Raises:
        DataError: a record is absent.
    """
    files, section = workspace.files(task), workspace.task(task)
    if section.gate.disclosure == "sealed":
        return None
    return worth(
        read_record(files.verdict, Verdict),
        read_record(files.eval / "report.json", EvalReport),
        read_record(files.eval / "timing.json", Timing),
        # Worth decides nothing, so that a missing record must not fail the cycle.
        training=read_record(files.training, Training).seconds if files.training.exists() else None,
        cost=section.cost,
    )


def worth(
    verdict: Verdict,
    report: EvalReport,
    timing: Timing,
    *,
    training: float | None,
    cost: Cost | None,
) -> Worth | None:
    """The candidate against the best prompted baseline that the gate compared it with.

    None if the verdict has no such comparison: the evidence was invalid, or is sealed.

    Args:
        training: seconds that the training took, None if unknown.
        cost: prices; without them only tokens and seconds are reported.
    """
    prompted = [c for c in verdict.comparisons if c.against != CHAMPION]
    if not prompted:
        return None
    best = prompted[0]
    beaten = all(comparison.passed for comparison in prompted)
    mine, other = (_gate(report, name) for name in (CANDIDATE, best.against))
    prompt_tokens = _less(mine.prompt_tokens, other.prompt_tokens)
    output_tokens = _less(mine.output_tokens, other.output_tokens)
    price, spent = _prices(prompt_tokens, output_tokens, training, cost)
    took = timing.seconds_per_row
    timed = {f"gate/{c.name}" for c in (mine, other)}
    found = Worth(
        against=best.against,
        metric=best.metric,
        gain=sign(best.metric) * (best.candidate - best.other),
        beaten=beaten,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        seconds=_less(took.get(f"gate/{mine.name}"), took.get(f"gate/{other.name}")),
        cost=price,
        training=spent,
        calls=_calls(price, spent),
        says=(),
    )
    says = (
        _gain(found, best, by_schema=other.by_schema),
        _saves(found, apart=not timed.isdisjoint(timing.kept)),
        *_pays(found),
    )
    return replace(found, says=says)


def _prices(
    prompt: float | None, output: float | None, training: float | None, cost: Cost | None
) -> tuple[float | None, float | None]:
    """What a call saves and what the training cost, in the currency of `cost`."""
    if cost is None:
        return None, None
    spent = None if training is None else training / HOUR * cost.train_hour
    if prompt is None or output is None:
        return None, spent
    return (prompt * cost.prompt_tokens + output * cost.output_tokens) / MILLION, spent


def _calls(price: float | None, spent: float | None) -> int | None:
    if price is None or spent is None or price <= 0:
        return None
    calls = spent / price
    return math.ceil(calls) if math.isfinite(calls) else None


def _gain(worth: Worth, best: Comparison, *, by_schema: bool) -> str:
    held = ", its decoding held to the task's schema" if by_schema else ""
    figures = f"{worth.metric} {_points(worth.metric, worth.gain)} against {worth.against}"
    if not (best.wins or best.losses):
        return (
            f"nothing was decided: on no row do the adapter and {worth.against}, the best prompt "
            f"on this base{held}, differ in {worth.metric}"
        )
    against = f"{figures}, the best prompt on this base{held}"
    if worth.gain == 0:
        return f"the adapter is no better than prompting: {against}"
    if worth.gain < 0:
        return f"prompting wins: {against}; use the prompt"
    if worth.beaten:
        return f"the adapter beats prompting: {against}"
    return f"the adapter may beat prompting, luck is not ruled out: {figures}{held}"


def _saves(worth: Worth, *, apart: bool) -> str:
    parts = [
        f"{abs(value):,.{digits}f} {name} {'less' if value >= 0 else 'more'}"
        for value, name, digits in (
            (worth.prompt_tokens, "prompt tokens", 0),
            (worth.output_tokens, "output tokens", 1),
            (worth.seconds, "seconds", 4),
        )
        if value is not None
    ]
    says = f"a call takes {', '.join(parts)} than with {worth.against}"
    if worth.seconds is None:
        return says
    # A cached answer's time was measured in an earlier run, under another load.
    when = ", measured in different runs" if apart else ""
    return f"{says} (seconds: its share of a batch{when})"


def _pays(worth: Worth) -> list[str]:
    # If a prompt is as good, no training is needed, and no cost to recover.
    if worth.gain <= 0 or worth.training is None or worth.cost is None:
        return []
    if worth.calls is None:
        return [f"training cost {worth.training:.4g}; a call saves nothing, so it never pays back"]
    return [
        f"training cost {worth.training:.4g}, a call saves {worth.cost:.4g}: "
        f"paid for after {worth.calls:,} calls"
    ]


def _points(metric: str, gain: float) -> str:
    return f"{gain:+.4g}" if metric in FALL else f"{100 * gain:+.1f} points"


def _gate(report: EvalReport, name: str) -> Contender:
    return next(c for c in report.contenders if (c.name, c.split) == (name, "gate"))


def _less(mine: float | None, other: float | None) -> float | None:
    return None if mine is None or other is None else other - mine
