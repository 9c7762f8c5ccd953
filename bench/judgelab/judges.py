"""Judges: what each says of pairs whose better answer people know.

A judge is given what people prefer, by look and pair (1 the candidate, -1 the other, 0 neither),
and returns its votes with the candidate's answer first, and second: 1 for the first place, -1 for
the second, 0 where it names no choice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Draw = np.random.Generator
Preferred = NDArray[np.int8]
Votes = tuple[Preferred, Preferred]
Judge = Callable[[Draw, Preferred], Votes]


def right(share: float, *, place: float = 0.0) -> Judge:
    """It chooses as people do in a share of the pairs that they tell apart, else tosses a coin.

    In a share `place` of the questions it takes the first answer, whichever that is.
    """

    def judge(rng: Draw, people: Preferred) -> Votes:
        return _asked(rng, _chosen(rng, people, share), place)

    return judge


def _longer(rng: Draw, people: Preferred) -> Votes:
    longer = _sign(rng.random(people.shape) < 0.8)
    swayed = rng.random(people.shape) < 0.6
    return _asked(rng, np.where(swayed, longer, _chosen(rng, people, 0.9)))


def _candidates(rng: Draw, people: Preferred) -> Votes:
    return _asked(rng, np.ones(people.shape, np.int8))


def _seldom_wrong(rng: Draw, people: Preferred) -> Votes:
    ours = rng.random(people.shape) < 0.03
    return _asked(rng, np.where(ours, 1, _chosen(rng, people, 1.0)))


def _blind_to_losses(rng: Draw, people: Preferred) -> Votes:
    share = np.where(people > 0, 0.97, 0.6)
    return _asked(rng, _chosen(rng, people, share))


def _together(rng: Draw, people: Preferred) -> Votes:
    """A side for the whole look, and one for each topic in it."""
    looks = len(people)
    topic = rng.integers(5, size=people.shape)
    of_look = rng.uniform(-0.3, 0.3, (looks, 1))
    of_topic = np.take_along_axis(rng.uniform(-0.5, 0.5, (looks, 5)), topic, axis=1)
    toward = of_look + of_topic
    swayed = rng.random(people.shape) < np.abs(toward)
    return _asked(rng, np.where(swayed, np.sign(toward), _chosen(rng, people, 0.9)))


def _half_garbage(rng: Draw, people: Preferred) -> Votes:
    ahead, behind = _asked(rng, _chosen(rng, people, 0.85))
    return (
        np.where(rng.random(people.shape) < 0.5, ahead, 0).astype(np.int8),
        np.where(rng.random(people.shape) < 0.5, behind, 0).astype(np.int8),
    )


JUDGES: dict[str, Judge] = {
    "right in 85 %": right(0.85),
    "follows the place in 30 %": right(0.85, place=0.3),
    "always takes the first": right(0.85, place=1.0),
    "tosses a coin": right(0.5),
    "likes length": _longer,
    "always the candidate": _candidates,
    "wrong in 3 %, always for it": _seldom_wrong,
    "misses what it loses": _blind_to_losses,
    "errs together": _together,
    "no choice in half": _half_garbage,
}


def _chosen(rng: Draw, people: Preferred, share: float | NDArray[np.float64]) -> Preferred:
    agrees = rng.random(people.shape, dtype=np.float32) < share
    tossed = _sign(rng.random(people.shape, dtype=np.float32) < 0.5)
    return np.where(people == 0, tossed, np.where(agrees, people, -people)).astype(np.int8)


def _asked(rng: Draw, chosen: NDArray[np.generic], place: float = 0.0) -> Votes:
    """Votes for what was chosen, in either order; a share of them for the first place."""
    sides = np.asarray(chosen, np.int8), -np.asarray(chosen, np.int8)
    if not place:
        return sides
    ahead, behind = (
        np.where(rng.random(chosen.shape, dtype=np.float32) < place, np.int8(1), side)
        for side in sides
    )
    return ahead, behind


def _sign(ones: NDArray[np.bool_]) -> Preferred:
    return np.where(ones, 1, -1).astype(np.int8)
