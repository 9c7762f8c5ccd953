"""`pawl compare`: two versions side by side."""

from __future__ import annotations

from typing import Any

from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, get


def compare(store: Store, task: str, a: int, b: int) -> dict[str, Any]:
    """Two versions side by side, as plain JSON values; what is the same in `params` is left out.

    `scores` maps contender to metric to [a, b], None where not measured. They come from two
    judgements, perhaps on other rows: they inform, the gate never compares them.

    Raises:
        UsageError: there is no such version.
        RegistryError: the store cannot be reached.
    """
    one, other = get(store, task, a), get(store, task, b)
    left, right = _flatten(one.params), _flatten(other.params)
    return {
        "task": task,
        "versions": [a, b],
        "verdict": [one.verdict, other.verdict],
        "scores": _scores(one, other),
        "params": {
            key: [left.get(key), right.get(key)]
            for key in sorted(left.keys() | right.keys())
            if left.get(key) != right.get(key)
        },
        **{key: [getattr(one, key), getattr(other, key)] for key in ("data", "base", "commit")},
        "when": [one.when, other.when],
    }


def _scores(a: AdapterVersion, b: AdapterVersion) -> dict[str, dict[str, list[float | None]]]:
    return {
        name: {
            metric: [a.scores.get(name, {}).get(metric), b.scores.get(name, {}).get(metric)]
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
