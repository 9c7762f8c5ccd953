"""Files with random damage end in rows or in an error message."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawl.data.read import formats

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))
import hostile
from hostilelab.damage import DAMAGES, FORMS, hostile_file
from hostilelab.watch import outcome


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMS),
    damages=st.lists(st.sampled_from(DAMAGES), max_size=4),
    seed=st.integers(0, 2**32),
    drop=st.sampled_from((0.0, 0.5, 1.0)),
)
def test_any_damaged_file_ends_in_rows_or_in_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    damages: list[str],
    seed: int,
    drop: float,
) -> None:
    # A process for each Parquet file takes too long here; those below have one.
    monkeypatch.setattr(formats, "parquet_records", hostile.within)
    path = tmp_path / f"hostile{form}"
    path.write_bytes(hostile_file(form, damages, seed))
    assert outcome(path, drop)


@pytest.mark.parametrize("damages", [["column"], ["flip last"], ["cut"], ["value", "wide"]])
@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_parquet_file_ends_the_same_in_a_subprocess_and_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damages: list[str], seed: int
) -> None:
    path = tmp_path / "hostile.parquet"
    path.write_bytes(hostile_file(".parquet", damages, seed))
    apart = outcome(path, 0.0)
    monkeypatch.setattr(formats, "parquet_records", hostile.within)
    assert outcome(path, 0.0) == apart


@pytest.mark.parametrize("form", FORMS)
def test_an_undamaged_file_ends_in_rows(tmp_path: Path, form: str) -> None:
    ends = []
    for seed in range(4):
        path = tmp_path / f"hostile{form}"
        path.write_bytes(hostile_file(form, [], seed))
        ends.append(outcome(path, 0.0))
    # Some are drawn with prompts and chats in one table, which have no columns in common.
    assert "rows" in ends
