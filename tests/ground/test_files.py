"""Files are whole or absent, and known by their digest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.files import digest_json, read_lines, whole_folder, write_json, write_lines


def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with whole_folder(target) as folder:
        (folder / "a").write_text("old")

    def fail() -> None:
        with whole_folder(target) as folder:
            (folder / "a").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (target / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_value_that_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert "1" in path.read_text()
    assert len(list(tmp_path.iterdir())) == 1


@given(st.dictionaries(st.text(), st.integers()))
def test_the_digest_of_json_does_not_depend_on_key_order(value: dict[str, int]) -> None:
    assert digest_json(value) == digest_json(dict(reversed(value.items())))


def test_line_separators_inside_a_string_do_not_cut_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    values = [{"a": "x\u2028y\x85z\r"}, {"a": "\n"}]
    write_lines(path, values)
    assert list(read_lines(path)) == values
