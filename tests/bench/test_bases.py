"""Every family that people take is trained and judged rightly, or refused before it is paid for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from baselab.examine import examine  # noqa: E402 - the benches are no package
from baselab.families import FAMILIES  # noqa: E402

# One for each thing that families do otherwise: caps and windows, sinks, layers that hand nothing
# down, logits that are scaled and rows that mix outside attention.
EVERYDAY = ("Gemma 2", "gpt-oss", "StableLM", "Granite 4 hybrid")


@pytest.mark.parametrize("name", EVERYDAY)
def test_a_family_is_trained_and_judged_as_by_its_own_code(name: str, tmp_path: Path) -> None:
    found = examine(*FAMILIES[name], tmp_path)
    assert found.right, found


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in EVERYDAY])
def test_every_other_family_is_right_or_refused(name: str, tmp_path: Path) -> None:
    found = examine(*FAMILIES[name], tmp_path)
    assert found.right or "a base of the family" in found.refused, found


def test_the_page_of_bases_has_every_family() -> None:
    page = (ROOT / "docs" / "bases.md").read_text(encoding="utf-8")
    assert [name for name in FAMILIES if f"| {name} |" not in page] == []
    assert "**wrong**" not in page
