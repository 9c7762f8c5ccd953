"""`pawl compare`: two versions side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pawl.store.client import Store
from pawl.store.versions import get

# Fields of a version that are compared as they are.
SAME = ("verdict", "data", "base", "commit", "when")


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
    scores: dict[str, dict[str, tuple[float | None, float | None]]]
    params: dict[str, tuple[Any, Any]]
    data: tuple[str, str]
    base: tuple[str, str]
    commit: tuple[str, str]
    when: tuple[str, str]


def compare(store: Store, task: str, a: int, b: int) -> VersionComparison:
    """Return how versions `a` and `b` of a task differ.

    Raises `UsageError` if one is not there, `RegistryError` if the store cannot be reached.
    """
    one, other = get(store, task, a), get(store, task, b)
    params = _pairs(_flatten(one.params), _flatten(other.params))
    same = {key: (getattr(one, key), getattr(other, key)) for key in SAME}
    return VersionComparison(
        task=task,
        versions=(a, b),
        scores={
            name: _pairs(one.scores.get(name, {}), other.scores.get(name, {}))
            for name in sorted({*one.scores, *other.scores})
        },
        params={key: (left, right) for key, (left, right) in params.items() if left != right},
        **same,
    )


def _pairs(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (a.get(key), b.get(key)) for key in sorted({*a, *b})}


def _flatten(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
