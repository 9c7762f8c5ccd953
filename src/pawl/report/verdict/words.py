"""The verdict in a sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pawl.core.metrics import sign
from pawl.core.records import Comparison, Cycle, StartTrial, Training, Worth
from pawl.report.verdict.record import VerdictPage

STATES = {
    "promote": "passed",
    "unchanged": "quiet",
    "reject": "blocks",
    "inconclusive": "warns",
    "invalid": "blocks",
    "waiting": "warns",
}


def headline(cycle: Cycle) -> str:
    """The outcome of the cycle and who is champion now, in a sentence."""
    mine = "no version" if cycle.candidate.version is None else f"version {cycle.candidate.version}"
    champion = cycle.champion.label("")
    stays = f"{champion} stays champion" if champion else "there is no champion yet"
    if cycle.stale:
        return f"Not applied: the champion changed while {mine} was judged; {stays}."
    return {
        "promote": f"Promoted: {mine} is the champion now.",
        "reject": f"Rejected: {mine} is not released; {stays}.",
        "inconclusive": f"Inconclusive: {mine} may be better, luck is not ruled out; {stays}.",
        "unchanged": f"Unchanged: nothing is new since {mine} was judged; {stays}.",
        "waiting": f"Waiting: people are to compare the candidate's answers; {stays}.",
        "invalid": f"Not judged: there is no fit evidence to judge by; {stays}.",
    }[cycle.verdict]


def held_text(page: VerdictPage) -> str:
    """Whose decoding was held to the task's schema; empty where nobody's was."""
    names = [one.name for one in page.contenders if one.by_schema]
    if not names:
        return ""
    who = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"Decoding of {who} was held to the task's JSON Schema: nothing else could be written."


def course(training: Training) -> str:
    """What the training began with, whose step the adapter has, whether it ended early.

    Empty for a training that could only begin with new weights and take the last ones.
    """
    said = [_started(training.starts)] if training.starts else []
    if training.dev_points and training.points:
        best = min(training.dev_points, key=lambda point: point.loss)
        said.append(f"The adapter has the weights after step {training.kept:,}")
        said[-1] += f"; dev loss was lowest after step {best.step:,}."
        last, planned = training.points[-1].step, training.planned or 0
        if last < planned:
            said.append(f"It ended early, after {last:,} of {planned:,} steps.")
    return " ".join(said)


def _started(starts: Sequence[StartTrial]) -> str:
    """The start that was kept, and the other one."""
    kept, *others = sorted(starts, key=lambda trial: not trial.kept)
    text = f"It began with {_weights(kept)}"
    for other in others:
        losses = f"dev loss {kept.dev_loss:.4g} against {other.dev_loss:.4g}"
        text += f", which did better than {_weights(other)}: {losses}"
    return f"{text}."


def _weights(trial: StartTrial) -> str:
    return "new weights" if trial.version is None else f"the weights of version {trial.version}"


def gain(comparison: Comparison) -> float:
    """By how much the candidate is better, in the metric's own unit."""
    return sign(comparison.metric) * (comparison.candidate - comparison.other)


def next_steps(page: VerdictPage) -> tuple[str, ...]:
    """What a person may do now, the likeliest first; commands are in backquotes."""
    return tuple(_steps(page))


def _steps(page: VerdictPage) -> Iterator[str]:
    cycle, task = page.cycle, page.cycle.task
    version, lost = cycle.candidate.version, page.flips.lost if page.flips else ()
    if cycle.stale:
        yield f"Judge it against the new champion: `pawl run {task}`."
    elif cycle.verdict == "promote":
        yield f"Ask it something: `pawl predict {task} 'YOUR PROMPT'`."
        if lost:
            yield "Read the lost rows above: the gate counts them, and cannot tell which hurt most."
        if page.verdict and page.verdict.champion.version is not None:
            yield f"If it disappoints, go back at once: `pawl rollback {task} --reason WHY`."
    elif cycle.verdict == "reject":
        yield from _after_a_rejection(cycle.worth, lost=bool(lost), task=task)
    elif cycle.verdict == "inconclusive" and page.verdict and page.verdict.look is None:
        yield f"No look was spent. Read the dev rows that it won and lost: `pawl flips {task}`."
        yield "If dev is small and you trust the candidate, raise `gate.screen` or leave it out."
    elif cycle.verdict == "inconclusive":
        yield (
            "Bring new rows, as many as the reasons name: `pawl data add FILE`, then "
            f"`pawl run {task}`. Training the same rows again only spends looks."
        )
    elif cycle.verdict == "waiting":
        yield f"Compare the answers: `pawl review {task}`, or `pawl review {task} --web`."
        yield f"Then let the gate judge by what was said: `pawl resume {task}`. Nothing is trained."
    elif cycle.verdict == "invalid":
        yield f"See what the data rules found: `pawl check {task}`; then mend the data."
    else:
        yield f"New rows come in with `pawl data add FILE`; `pawl run {task} --force` trains again."
    if version is not None and not page.sealed:
        if page.flips:
            yield f"All rows won and lost: `pawl flips {task} {version}`."
        yield f"Derive this verdict again from its stored rows: `pawl replay {task} {version}`."


def _after_a_rejection(worth: Worth | None, *, lost: bool, task: str) -> Iterator[str]:
    if worth and worth.gain <= 0:
        yield f"Use the prompt: {worth.against} is as good on this base without any adapter."
    if lost:
        yield "Read the lost rows above: are answers in the data wrong, or rows like them missing?"
    yield f"Mended or new rows come in with `pawl data add FILE`, then `pawl run {task}`."
    yield "Callers notice nothing: what is served did not change."
