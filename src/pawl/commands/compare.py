"""`pawl compare`: two versions side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, get

Scores = dict[str, dict[str, tuple[float | None, float | None]]]


@dataclass(frozen=True)
class VersionComparison:
    """Two versions side by side: each pair is (the first's, the other's).

    `scores` maps contender to metric to a pair, None where not measured. They come from two
    evaluations, perhaps on other rows: they inform, the gate never compares them. `params` holds
    only what differs, by its dotted key.
    """

    task: str
    versions: tuple[int, int]
    verdict: tuple[str, str]
    scores: Scores
    params: dict[str, tuple[Any, Any]]
    data: tuple[str, str]
    base: tuple[str, str]
    commit: tuple[str, str]
    when: tuple[str, str]


def compare(store: Store, task: str, a: int, b: int) -> VersionComparison:
    """Return how versions `a` and `b` of a task differ.

    Raises:
        UsageError: there is no such version.
        RegistryError: the store cannot be reached.
    """
    one, other = get(store, task, a), get(store, task, b)
    left, right = _flatten(one.params), _flatten(other.params)
    return VersionComparison(
        task=task,
        versions=(a, b),
        verdict=(one.verdict, other.verdict),
        scores=_scores(one, other),
        params={
            key: (left.get(key), right.get(key))
            for key in sorted(left.keys() | right.keys())
            if left.get(key) != right.get(key)
        },
        data=(one.data, other.data),
        base=(one.base, other.base),
        commit=(one.commit, other.commit),
        when=(one.when, other.when),
    )


def _scores(a: AdapterVersion, b: AdapterVersion) -> Scores:
    return {
        name: {
            metric: (a.scores.get(name, {}).get(metric), b.scores.get(name, {}).get(metric))
            for metric in sorted({*a.scores.get(name, {}), *b.scores.get(name, {})})
        }
        for name in sorted({*a.scores, *b.scores})
    }


def _flatten(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
