"""The cases of `bench/false_promotions.py`: policies, data that grows, rows, candidates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from falselab.attacks import BETS, CLIMBS, DRIFTS, GUARD, PICKS
from falselab.plan import ROUNDS
from falselab.withdrawals import ALL, LAST
from falselab.world import World
from pawl.config.judging import Gate

EVEN, FRONT, GRADED = Gate(), Gate(spending="front"), Gate(metric="field_accuracy")
SEALED = Gate(disclosure="sealed")
SCREENED = Gate(spending="front", screen=0.3)
GUARDED = Gate(disclosure="sealed", guards={GUARD: 0.05})
ONE_SALT = ("salt",) * ROUNDS
# Rows between refills, which the looks of a budget see come.
TRICKLE = 10


@dataclass(frozen=True)
class Case:
    """One scenario of `ROUNDS` rounds.

    `arrivals` are the gate rows that come new before each round, `churn` the share of units that
    a candidate changes, `harm` the spread of its true effect below 0, `how` an attacker's manner;
    one who withdraws rows has some `mercy` (`falselab.withdrawals`). Where nothing is `promised`
    the figure is for contrast. `share` of the sequences asked for are played; `quick` cases are
    those of the everyday test.
    """

    name: str
    arrivals: tuple[int, ...]
    policy: Gate = EVEN
    salts: tuple[str, ...] = ONE_SALT
    world: World = field(default_factory=World)
    churn: float = 0.1
    harm: float = 0.0
    pick_of: int = 1
    how: str = ""
    mercy: float = 0.0
    first: bool = False
    promised: bool = True
    share: float = 1.0
    quick: bool = False


def once(rows: int) -> tuple[int, ...]:
    """All rows are there from the first round on."""
    return (rows, *(0,) * (ROUNDS - 1))


def refilled(looks: int, rows: int = 300) -> tuple[int, ...]:
    """A trickle of rows, and where a budget is used up as many as open the next one."""
    arrived = []
    for n in range(ROUNDS):
        bursts = n // looks
        arrived.append(TRICKLE if n % looks else rows + bursts * TRICKLE * (looks - 1))
    return tuple(arrived)


def cases() -> Iterator[Case]:
    """All cases, in the order of the table."""
    for rows in (50, 300, 1000):
        for churn in (0.02, 0.05, 0.1, 0.2, 0.4):
            name = f"one candidate a round, {rows} rows, {churn:.0%} change"
            yield Case(name, once(rows), churn=churn, quick=(rows, churn) == (300, 0.1))
    yield from _spending()
    yield from _picked()
    yield from _refills()
    yield from _shapes()
    yield from _attacks()
    yield from _screened()


def _spending() -> Iterator[Case]:
    for rows in (300, 1000):
        for churn in (0.1, 0.4):
            name = f"front-loaded levels, {rows} rows, {churn:.0%} change"
            yield Case(name, once(rows), FRONT, churn=churn)
    yield Case("no champion yet, 300 rows", once(300), _floored(), first=True)


def _floored() -> Gate:
    return Gate(floors={"exact_match": 0.1})


def _picked() -> Iterator[Case]:
    for rows in (300, 1000):
        yield Case(f"best of ten on dev, {rows} rows", once(rows), pick_of=10, quick=rows == 300)
        name = f"best of ten on dev, true effects from 0 down, {rows} rows"
        yield Case(name, once(rows), pick_of=10, harm=0.01)
    grows = (300, *(50,) * (ROUNDS - 1))
    yield Case("data grows by 50 rows a round", grows)
    yield Case("data grows by 50 rows a round, best of ten", grows, pick_of=10, quick=True)
    yield Case("data grows, front-loaded, 40 % change", grows, FRONT, churn=0.4)


def _refills() -> Iterator[Case]:
    for spending in ("even", "front"):
        for looks in (1, 2, 5, 10, 20):
            policy = Gate(looks=looks, spending=spending)
            name = f"budgets of {looks} looks, refilled, {spending}"
            yield Case(name, refilled(looks), policy, quick=(looks, spending) == (5, "even"))
    yield Case("budgets of 5 looks, refilled, best of ten", refilled(5), Gate(looks=5), pick_of=10)
    each_fifth = tuple(f"salt {n // 5}" for n in range(ROUNDS))
    yield Case("a new salt and fresh rows every 5 rounds", refilled(5), salts=each_fifth)
    in_turn = tuple(f"salt {n % 2}" for n in range(ROUNDS))
    there = (300, 300, *(TRICKLE,) * (ROUNDS - 2))
    yield Case("two salts in turn, data grows", there, salts=in_turn)


def _shapes() -> Iterator[Case]:
    half = World("field_accuracy", win=0.5, loss=0.5)
    dips = World("field_accuracy", win=0.1, loss=1.0)
    peaks = World("field_accuracy", win=1.0, loss=0.1)
    threes = World(small=3, large=3)
    uneven = World(small=2, large=10, right=0.4)
    both = World("field_accuracy", win=0.25, loss=0.5, small=2, large=6, right=0.4)
    for rows in (300, 1000):
        yield Case(f"graded, half points, {rows} rows", once(rows), GRADED, world=half)
        name = f"graded, many +0.1 for few -1, {rows} rows"
        yield Case(name, once(rows), GRADED, world=dips, quick=rows == 300)
        yield Case(f"graded, few +1 for many -0.1, {rows} rows", once(rows), GRADED, world=peaks)
    yield Case("groups of 3, 100 groups", once(100), world=threes)
    yield Case("groups of 3, 300 groups", once(300), world=threes)
    name = "many groups of 2 won for few of 10 lost, 200 groups"
    yield Case(name, once(200), world=uneven, churn=0.2, quick=True)
    name = "graded and in groups of 2 and 6, 200 groups"
    yield Case(name, once(200), GRADED, world=both, churn=0.2)


def _attacks() -> Iterator[Case]:
    front, fives = Gate(disclosure="sealed", spending="front"), Gate(disclosure="sealed", looks=5)
    for how in (DRIFTS, BETS):
        said = f"sealed, attacker {how}"
        yield Case(f"{said}, 300 rows", once(300), SEALED, how=how, quick=True)
        yield Case(f"{said}, 1,000 rows", once(1000), SEALED, how=how)
        yield Case(f"{said}, front-loaded", once(300), front, how=how)
        yield Case(f"{said}, budgets of 5 looks, refilled", refilled(5), fives, how=how)
        yield Case(f"{said}, is told of a guard", once(300), GUARDED, how=how, quick=how == DRIFTS)
    for how, by in ((CLIMBS, "the score"), (PICKS, "each row's result")):
        name = f"*for contrast: full disclosure, attacker {how} by {by}*"
        yield Case(name, once(300), how=how, promised=False, share=0.1, quick=how == CLIMBS)
    yield from _withdrawals()


def _withdrawals() -> Iterator[Case]:
    for rows, new in ((50, 200), (200, 200), (1000, 50)):
        for mercy in (-1.0, 0.0, 0.5, 1.0):
            name = f"attacker withdraws, {rows} rows and {new} a delivery, mercy {mercy:g}"
            there = (rows, *(new,) * ROUNDS)
            yield Case(name, there, how=ALL, mercy=mercy)
    name = "*for contrast: attacker withdraws what the last delivery brought, levels as before*"
    yield Case(name, (50, *(200,) * ROUNDS), how=LAST, promised=False, share=0.1, quick=True)


def _screened() -> Iterator[Case]:
    for rows in (300, 1000):
        yield Case(f"screened on dev, front-loaded, {rows} rows", once(rows), SCREENED)
        name = f"screened on dev, front-loaded, {rows} rows, best of ten"
        yield Case(name, once(rows), SCREENED, pick_of=10, quick=rows == 300)
