"""The table of the field's formats says what becomes of a file of each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import formats

README = Path(__file__).parents[2] / "bench" / "README.md"
KINDS = formats.KINDS


def test_the_table_of_the_readme_is_what_the_files_become() -> None:
    assert formats.printed() in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_file_of_the_field_is_read_or_refused_with_what_it_is(
    tmp_path: Path, kind: formats.Format
) -> None:
    found = formats.outcome(kind, tmp_path)
    # What no adapter can learn, or no reader can guess.
    others = ("pictures", "dpo", "text", "ansi", "utf16", "rows.xlsx")
    assert found.read is not (kind.file.startswith(others) or "without `--columns`" in kind.name)
