"""What a judge is worth, by the pairs that people compared too, and whether it takes part.

What keeps it from taking part for reasons that were known before anybody was asked costs nothing.
Whether people agree with it is known by the labels themselves, so that it is paid for: two tests
are made then, of the labels alone and of the labels with the judge, and either must be twice as
clear (Bonferroni), whether or not the judge takes part in the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from pawl.config.judging import Gate
from pawl.core.pairs import leaning, pairs_of, planned, preference
from pawl.core.records import Calibration, Opinion, Pair
from pawl.gate.evidence import Evidence
from pawl.gate.predictions import agreement, corrected, dealt
from pawl.gate.rules import Finding

JUDGE = "judge"
# Fewer labels say too little of a judge.
LABELS = 50


def calibrated(
    evidence: Evidence, policy: Gate, asked: Sequence[Pair], *, level: float
) -> Calibration | None:
    """The calibration of the policy's judge; None where it names none. Call with all labels there.

    `asked` are the pairs that people were to compare, in their order; `level` is the look's.
    """
    judge, review = policy.judge, evidence.review
    if judge is None or evidence.opinions is None:
        return None
    leans = {one.pair: leaning(one) for one in evidence.opinions}
    choices = {label.pair: label.choice for label in review.labels} if review else {}
    people = np.array(
        [preference(one, choices.get(one.id), review.seed if review else "") for one in asked],
        float,
    )
    mine = np.array([leans.get(one.id, 0.0) for one in asked])
    rest = _others(evidence, asked)
    agreed, least = map(float, agreement(people, mine))
    labels = sum(not one.same for one in asked)
    never = _cannot_count(asked, rest, labels)
    informs = never or ("" if least > judge.floor else "people agree with it too seldom")
    share = p = None
    if not informs:
        others = np.array([leans.get(one.id, 0.0) for one in rest])
        tests, means = corrected(people, mine, *dealt(others, len(asked)), level=level / 2)
        share, p = float((1 + means) / 2), float(tests)
    return Calibration(
        model=judge.model,
        labels=labels,
        told=int((people != 0).sum()),
        agreed=agreed,
        least=least,
        floor=judge.floor,
        **_habits(evidence.opinions),
        informs=informs,
        counted=not never,
        share=share,
        p=p,
    )


def judge_faults(evidence: Evidence, policy: Gate) -> list[str]:
    """Why the judge's opinions are not those of this look's pairs; empty if they are."""
    asked, opinions = evidence.report.judge, evidence.opinions
    if policy.judge is None:
        return []
    if asked is None or opinions is None:
        return ["the policy names a judge, and the evaluation has not asked it"]
    if (asked.model, asked.repeats) != (policy.judge.model, policy.judge.repeats):
        return [f"the evaluation has asked another judge, {asked.model}"]
    pairs = [one.id for one in pairs_of(evidence.report, evidence.scores) if not one.same]
    if sorted(one.pair for one in opinions) != sorted(pairs):
        return ["the judge's opinions are not those of this look's pairs"]
    if any({len(one.ahead), len(one.behind)} != {asked.repeats} for one in opinions):
        return ["the judge was not asked in both orders, as often as the policy says"]
    return []


def judge_finding(found: Calibration) -> Finding:
    """What a calibration says; it fails no candidate."""
    agrees = (
        f"it chose as people did in {found.agreed:g} of {found.told} pairs that they told apart "
        f"(at least {found.least:.0%} with 95 % confidence, above {found.floor:.0%} is asked)"
    )
    calibration = f"{agrees}, {_habits_text(asdict(found))}; {found.labels} labels"
    if found.informs:
        costs = "" if not found.counted else ", and the labels alone must be twice as clear"
        text = f"the judge {found.model} informs and decides nothing{costs}, as {found.informs}: "
        return Finding(JUDGE, True, False, text + calibration)
    text = (
        f"the judge {found.model} takes part: on {found.pairs} pairs, corrected by people, "
        f"{found.share:.1%} prefer the candidate, p = {found.p:.2g}; {calibration}"
    )
    return Finding(JUDGE, True, False, text)


def habits(evidence: Evidence) -> str:
    """What a judge did whatever people say, '' where none was asked: for those who compare yet.

    How far people agree with it is told with the verdict: whoever knows it before could label by
    it.
    """
    asked, opinions = evidence.report.judge, evidence.opinions
    if asked is None or opinions is None:
        return ""
    told = f"the judge {asked.model} has compared {len(opinions)} pairs"
    return f"{told}: {_habits_text(_habits(opinions))}; how people see it comes with the verdict"


def _others(evidence: Evidence, asked: Sequence[Pair]) -> list[Pair]:
    """The pairs that people were not asked about, in the order in which they would have been."""
    look, known = evidence.report.look, {one.id for one in asked}
    pairs = pairs_of(evidence.report, evidence.scores)
    order = planned(pairs, None, question=look.question if look else "")
    return [one for one in order if one.id not in known]


def _cannot_count(asked: Sequence[Pair], rest: Sequence[Pair], labels: int) -> str:
    """Why a judge takes no part whatever people say; '' if it may."""
    if not rest:
        return "people compare every pair themselves"
    if labels < LABELS:
        return f"{labels} pairs are labelled by people, {LABELS} calibrate a judge"
    groups = [one.group for one in (*asked, *rest) if one.group is not None]
    if len(set(groups)) < len(groups):
        return "rows come in groups, which a judge's correction does not know"
    return ""


def _habits(opinions: Sequence[Opinion]) -> Mapping[str, int]:
    """What a judge does whatever people say: by place, by repeats, without a choice."""
    orders = [pair for one in opinions for pair in zip(one.ahead, one.behind, strict=True)]
    runs = [run for one in opinions for run in (one.ahead, one.behind)]
    repeats = [(a, b) for run in runs for a, b in pairwise(run)]
    votes = [vote for run in runs for vote in run]
    return {
        "pairs": len(opinions),
        "both": len(orders),
        "first": orders.count(("first", "first")),
        "second": orders.count(("second", "second")),
        "repeated": len(repeats),
        "flips": sum(a != b for a, b in repeats),
        "votes": len(votes),
        "unclear": votes.count("none"),
    }


def _habits_text(of: Mapping[str, Any]) -> str:
    text = (
        f"its choice followed the place in {of['first'] + of['second']} of {of['both']} "
        f"comparisons ({of['first']} the first, {of['second']} the second)"
    )
    if of["repeated"]:
        text += f", a repeat changed {of['flips']} of {of['repeated']} votes"
    return text + (f", {of['unclear']} of {of['votes']} named no choice" if of["unclear"] else "")
