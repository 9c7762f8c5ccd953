"""The bench of near-copies fails where the split misses what it must never miss."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import near_copies


def test_a_missed_exact_copy_fails_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["near_copies.py", "--templates", "3", "--seeds", "1"])
    monkeypatch.setattr(near_copies, "made_of", lambda count: made(count, rows=300))
    near_copies.main()

    def blind(rows: list[Any], *_: Any, **__: Any) -> tuple[list[Any], dict[str, int]]:
        return rows, {}

    monkeypatch.setattr(near_copies, "without_copies", blind)
    with pytest.raises(SystemExit, match="exact copies"):
        near_copies.main()


made = near_copies.made_of
