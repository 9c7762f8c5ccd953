"""Records to JSON and back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pawl.core.records import Champion, Profile, read_record, to_json, write_record
from pawl.core.records.commands import HistoryEntry
from pawl.errors import DataError


@dataclasses.dataclass(frozen=True)
class Move:
    from_: int | None
    to: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Moves:
    moves: tuple[Move, ...]
    counts: dict[str, int]


def test_a_field_that_would_be_a_keyword_loses_its_underscore_in_json_at_any_depth() -> None:
    moves = Moves((Move(1, (2, 3)),), {"kept_": 4})
    assert json.loads(json.dumps(to_json(moves))) == {
        "moves": [{"from": 1, "to": [2, 3]}],
        "counts": {"kept_": 4},
    }
    assert {field.name for field in dataclasses.fields(HistoryEntry)} - {"from_"} == {
        "entry", "kind", "version", "digest", "when", "who", "why", "evidence", "unearned",
    }  # fmt: skip


def test_a_record_is_read_back_as_it_was_written_and_junk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "champion.json"
    write_record(path, Champion(3, "d" * 64))
    assert read_record(path, Champion) == Champion(3, "d" * 64)
    for text in ('{"version": NaN}', '{"version": "three"}', "", "[]"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="holds no Champion"):
            read_record(path, Champion)
    path.unlink()
    with pytest.raises(DataError, match="is not there"):
        read_record(path, Champion)


@pytest.mark.parametrize("text", ["{}", '{"prompt": "p", "completion": "c"}'])
@pytest.mark.parametrize("kind", [Champion, Profile])
def test_a_file_with_none_of_a_records_keys_is_not_a_record_of_nothing(
    tmp_path: Path, kind: type, text: str
) -> None:
    path = tmp_path / "champion.json"
    path.write_text(text)
    with pytest.raises(DataError, match="holds no") as refused:
        read_record(path, kind)
    assert refused.value.remedy
