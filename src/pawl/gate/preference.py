"""What people prefer: an exact sign test of the pairs that they told apart.

A tie is half a win for each side, so that it moves neither share. The test is of the pairs that are
no ties, given how many there are: under the null each of them is a fair coin, whatever share of
ties a reviewer gives. Counting a tie as a loss would ask another question (preferred in more than
half of *all* pairs), and a test over how many ties there might have been leaves its level to the
reviewer, who can give more or fewer of them.
"""

from __future__ import annotations

import numpy as np

from pawl.config.judging import Gate
from pawl.core.metrics import PREFERENCE
from pawl.core.pairs import CHAMPION, digest_of, opponent, pairs_of, planned, preference
from pawl.core.records import Calibration, Comparison, Pair
from pawl.gate.better import better
from pawl.gate.evidence import Evidence
from pawl.gate.figures import interval_text, shrunken_text
from pawl.gate.margins import P, rows_to_settle
from pawl.gate.mcnemar import mcnemar_p
from pawl.gate.rules import Finding
from pawl.gate.stats import Units, gain_after_selection, interval, units

REVIEW = "review"


def planned_pairs(evidence: Evidence, policy: Gate) -> tuple[Pair, ...]:
    """The pairs that decide, in the order in which people are asked; call after `faults`."""
    look = evidence.report.look
    pairs = pairs_of(evidence.report, evidence.scores)
    return planned(pairs, policy.pairs, question=look.question if look else "")


def unlabelled(evidence: Evidence, policy: Gate) -> tuple[Pair, ...]:
    """The planned pairs that people have yet to compare; those that say the same need nobody."""
    done = {label.pair for label in evidence.review.labels} if evidence.review else set()
    pairs = planned_pairs(evidence, policy)
    return tuple(pair for pair in pairs if not pair.same and pair.id not in done)


def review_faults(evidence: Evidence, policy: Gate) -> list[str]:
    """Why the labels are not those of this look's pairs; empty if they are, or there are none."""
    review, look = evidence.review, evidence.report.look
    if review is None or look is None:
        return []
    pairs = planned_pairs(evidence, policy)
    if (review.question, review.against) != (look.question, opponent(evidence.report)):
        return ["the labels are of another look, or against another contender"]
    if review.pairs != digest_of(pairs):
        return ["the labels are of other answers than were judged"]
    strange = {label.pair for label in review.labels} - {one.id for one in pairs if not one.same}
    return [f"{len(strange)} labels are of no pair of this look"] if strange else []


def waiting(missing: int, of: int, *, task: str) -> Finding:
    """The finding that people are to compare answers before anything is decided."""
    text = (
        f"{missing} of {of} pairs of answers wait to be compared by people, and nothing is decided "
        f"before: `pawl review {task}`, then `pawl resume {task}`"
    )
    return Finding(REVIEW, False, False, text)


def preferred(
    evidence: Evidence, policy: Gate, *, level: float, edition: int, judge: Calibration | None
) -> tuple[Comparison, Finding]:
    """Compare the candidate with its opponent by what people said; call when all pairs have labels.

    Grouped pairs are tested as graded rows are (`pawl.gate.better`). A `judge` that might count
    makes two tests of one, each of which must be twice as clear.
    """
    pairs, review = planned_pairs(evidence, policy), evidence.review
    said = {label.pair: label.choice for label in review.labels} if review else {}
    seed = review.seed if review else ""
    signs = np.array([preference(pair, said.get(pair.id), seed) for pair in pairs], float)
    gain = units(signs, [pair.group for pair in pairs])
    won, lost = int((signs > 0).sum()), int((signs < 0).sum())
    p = (
        better(gain, level=level, bounded=True, edition=edition)
        if gain.clustered
        else _sign_test(won, lost)
    )
    if judge is not None and judge.counted:
        p = _either(p, judge.p)
    passed = p(1.0) < level and gain.mean > 0
    share = float((signs + 1).mean() / 2)
    c = Comparison(
        against=opponent(evidence.report),
        metric=PREFERENCE,
        candidate=share,
        other=1 - share,
        wins=won,
        losses=lost,
        p=p(1.0),
        level=level,
        passed=passed,
        interval=interval(gain, bounded=True),
        shrunken=gain_after_selection(gain, bounded=True, level=level) if passed else None,
    )
    counted = judge is not None and judge.counted
    return c, _finding(c, gain, p, pairs=len(pairs), tests=" of two tests" if counted else "")


def _sign_test(won: int, lost: int) -> P:
    return lambda times: mcnemar_p(round(won * times), round(lost * times))


def _either(labels: P, judge: float | None) -> P:
    """The clearer of two tests at twice its p (Bonferroni): of labels, and of them with a judge."""
    return lambda times: min(1.0, 2 * min(labels(times), 1.0 if judge is None else judge**times))


def _finding(c: Comparison, gain: Units, p: P, *, pairs: int, tests: str) -> Finding:
    rule = "beats champion" if c.against == CHAMPION else "beats prompting"
    ties = pairs - c.wins - c.losses
    figures = (
        f"preferred in {c.wins} of {pairs} pairs, the other in {c.losses}, {ties} ties"
        f"{interval_text(c)}, p = {c.p:.2g}{tests} (below {c.level:.2g} is asked)"
    )
    if c.passed:
        text = f"people prefer it to {c.against}: {figures}{shrunken_text(c)}"
        return Finding(rule, True, False, text)
    if not (c.wins or c.losses):
        text = f"people cannot tell it from {c.against}: all {pairs} pairs are ties"
        return Finding(rule, False, False, text)
    if gain.mean <= 0:
        wins = " Prompting wins." if gain.mean < 0 and c.against != CHAMPION else ""
        text = f"people do not prefer it to {c.against}: {figures}.{wins}"
        return Finding(rule, False, True, text)
    more = rows_to_settle(p, int(gain.sizes.sum()), level=c.level)
    settle = f"; about {more} more pairs would settle it" if more else ""
    text = f"people may prefer it to {c.against} by luck: {figures}{settle}"
    return Finding(rule, False, False, text)
