"""`pawl compare`: two versions side by side."""

from __future__ import annotations

from typing import Any

from pawl.config.schema import completed
from pawl.release.judged_code import judged_code
from pawl.report.compare import VersionComparison
from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, get

# Fields of a version that are compared as they are.
SAME = ("verdict", "data", "base", "commit", "when")


def compare(store: Store, task: str, a: int, b: int) -> VersionComparison:
    """Return how versions `a` and `b` of a task differ.

    Raises `UsageError` if one is not there, `RegistryError` if the store cannot be reached.
    """
    one, other = get(store, task, a), get(store, task, b)
    params = _pairs(_flatten(completed(one.params)), _flatten(completed(other.params)))
    same = {key: (getattr(one, key), getattr(other, key)) for key in SAME}
    return VersionComparison(
        task=task,
        versions=(a, b),
        scores={
            name: _pairs(one.scores.get(name, {}), other.scores.get(name, {}))
            for name in sorted({*one.scores, *other.scores})
        },
        same_rows=_same_rows(one, other),
        rows=(_judged_rows(one), _judged_rows(other)),
        other_scorers=_other_scorers(judged_code(store, one), judged_code(store, other)),
        params={key: (left, right) for key, (left, right) in params.items() if left != right},
        **same,
    )


def _other_scorers(one: dict[str, str], other: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in one.keys() & other.keys() if one[name] != other[name]))


def _judged_rows(version: AdapterVersion) -> int:
    """The gate rows that it was judged on: none where the screen on dev ended its judgement."""
    return version.rows.get("gate", 0) if version.look else 0


def _same_rows(
    one: AdapterVersion, other: AdapterVersion
) -> dict[str, tuple[float | None, float | None]]:
    """The scores of the run in which one was judged against the other, if there is one."""
    if other.against == one.champion:
        return _pairs(other.scores.get("champion", {}), other.scores.get("candidate", {}))
    if one.against == other.champion:
        return _pairs(one.scores.get("candidate", {}), one.scores.get("champion", {}))
    return {}


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
