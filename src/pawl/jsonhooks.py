"""What Python's JSON reader lets pass and the standard does not: hooks for `json.loads`."""

from __future__ import annotations

from typing import Any


def refuse_constant(constant: str) -> Any:
    """As `parse_constant`: NaN and infinities are no JSON (RFC 8259)."""
    raise ValueError(f"{constant} is not JSON")


def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """As `object_pairs_hook`: of two equal keys readers keep different ones (RFC 7493)."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value
