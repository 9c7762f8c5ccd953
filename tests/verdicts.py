"""A judged cycle as a real one leaves it, with texts in it that would like to be markup."""

from __future__ import annotations

from pawl.core.records import (
    Candidate,
    Champion,
    Comparison,
    Contender,
    Cycle,
    Decision,
    DevPoint,
    Look,
    Point,
    RankTrial,
    StartTrial,
    Training,
    Verdict,
    Worth,
)
from pawl.gate.flips import Changed, Flip
from pawl.gate.power import Sight
from pawl.gate.slices import SliceScores
from pawl.report.verdict.record import Flips, Since, VerdictPage

HOSTILE = (
    "</p><script>document.title = 1</script><img src=https://x.y/i.png> \x1b[31m \u202egnol {{7*7}}"
)
ROWS = {"train": 1794, "dev": 201, "gate": 505}


def comparison(
    against: str,
    mine: float,
    other: float,
    *,
    passed: bool = True,
    margin: float | None = None,
    only: str | None = None,
    metric: str = "exact_match",
) -> Comparison:
    gain = mine - other
    return Comparison(
        against, metric, mine, other, 252, 6, 8.5e-67, 0.00125, passed,
        (gain - 0.046, gain + 0.044), margin, only,
    )  # fmt: skip


def flip(number: int, *, won: bool, text: str = "") -> Flip:
    right, wrong = '{"category":"billing","order":null}', '{"category":"refund","order":null}'
    mine, other = (right, wrong) if won else (wrong, right)
    prompt = f"I was charged twice,\nticket {number}. {text}"
    return Flip(f"t-{number:05}", won, prompt, right, mine, other, (float(won), float(not won)))


def judged(decision: Decision = "promote", *, text: str = HOSTILE, lost: int = 9) -> VerdictPage:
    """A page with every section."""
    comparisons = (
        comparison("champion", 0.9465, 0.4594),
        comparison("few-shot", 0.9465, 0.0, passed=decision == "promote"),
    )
    guards = (
        comparison("champion", 0.9921, 0.9663, metric="schema_valid", margin=0.05),
        comparison("champion", 0.91, 0.93, margin=0.05, only=text or "north", passed=False),
    )
    scores = {
        "candidate": {"exact_match": 0.9465346, "schema_valid": 0.9920792, "char_error": 0.00525},
        "candidate (dev)": {"exact_match": 0.9651741, "schema_valid": 1.0},
        "champion": {"exact_match": 0.4594059, "schema_valid": 0.9663366},
        "few-shot": {"exact_match": 0.0, "schema_valid": 0.0},
    }
    says = ("the adapter beats prompting: exact_match +94.7 points against few-shot",)
    worth = Worth("few-shot", "exact_match", 0.947, True, 501.0, -6.0, 0.2, 0.1, 3.2, 32, says)
    reasons = ("beats champion: exact_match 94.7% against 45.9% of champion", text or "a reason")
    champion = Champion(1, "c" * 64)
    now = Champion(2, "a" * 64) if decision == "promote" else champion
    fields = {"category": {"accuracy": 0.972, "f1": 0.971}, text or "order": {"accuracy": 0.5}}
    return VerdictPage(
        cycle=Cycle(
            "tickets", decision, reasons, Candidate(2, "a" * 64), now, scores, ROWS, "r" * 32, worth
        ),
        when="2026-11-28",
        verdict=Verdict(
            "tickets", decision, reasons, "a" * 64, champion, Look(2, 20, "q" * 64, 0.00125),
            comparisons, scores, ROWS, guards=guards,
            beside=(comparison("other-base", 0.9465, 0.99, passed=False),),
        ),
        contenders=tuple(
            Contender(name, "gate", 505, scores[name], 80.96, 30.8, fields=fields)
            for name in ("candidate", "champion", "few-shot")
        ),
        seconds={"candidate": 0.0343, "champion": 0.0376},
        flips=Flips(
            "champion",
            "exact_match",
            won=tuple(flip(number, won=True) for number in range(100, 352)),
            lost=tuple(flip(number, won=False, text=text) for number in range(lost)),
        ),
        slices=(SliceScores(text or "north", 12, {"candidate": 0.75, "champion": 0.5}),),
        training=Training(
            tuple(Point(step, 5.0 / step, 1e-3, 1.0, 300 * step) for step in range(1, 601)),
            0.0001433, 0.006294, 979.0, 3_000_000, 3280.0,
            rungs=tuple(
                RankTrial(rank, 0.1, 0.2, p, p is None, 9.0) for rank, p in ((8, None), (16, 0.2))
            ),
            dev_points=tuple(
                DevPoint(step, loss) for step, loss in ((200, 0.02), (400, 0.006294), (600, 0.009))
            ),
            kept=400, planned=1200,
            starts=(
                StartTrial(None, None, 0.001, 0.02, kept=False, seconds=400.0),
                StartTrial(1, "1" * 64, 0.001, 0.006294, kept=True, seconds=579.0),
            ),
        ),
        since=Since(
            1,
            Changed(tuple(f"t-{n}" for n in range(1425)), (), (text or "t-7",)),
            {"train.rank": (8, 16), "gate.slices": (None, 0.05)},
        ),
        sight=Sight(505, 505, 0.00125, 0.053, 0.02, {"2%": 2301, "5%": 546, "10%": 204}),
        left_out=("left out of train: 12 the same letters as a held-out row",),
    )  # fmt: skip
