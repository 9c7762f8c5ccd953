"""A task's JSON Schema is refused where it could not judge every answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pawl.errors import DataError
from pawl.workspace.task_inputs import parse_schema

CITY = {"$defs": {"city": {"type": "string"}}}


def parsed(folder: Path, schema: Any) -> Any:
    path = folder / "schema.json"
    path.write_text(json.dumps(schema))
    return parse_schema(path, "schema.json")


@pytest.mark.parametrize(
    "schema",
    [
        CITY | {"properties": {"to": {"$ref": "#/$defs/ctiy"}}},
        # Most answers never get there; the first that did would end the evaluation.
        {"properties": {"a": {"items": {"anyOf": [{"$ref": "#/$defs/none"}]}}}},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "other.json"},
        {"type": "strnig"},
    ],
)
def test_a_schema_that_refers_to_what_is_not_in_it_is_refused(tmp_path: Path, schema: Any) -> None:
    with pytest.raises(DataError, match=r"schema\.json is not a JSON Schema"):
        parsed(tmp_path, schema)


@pytest.mark.parametrize(
    "schema",
    [
        CITY | {"properties": {"to": {"$ref": "#/$defs/city"}}},
        {"$defs": {"n": {"$id": "https://x.y/n", "type": "null"}}, "$ref": "https://x.y/n"},
        {"$defs": {"n": {"$anchor": "leaf"}}, "items": {"$ref": "#leaf"}},
        {"items": {"$ref": "#"}, "properties": {"a": {"enum": [{"$ref": "a word"}]}}},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        True,
    ],
)
def test_a_schema_whose_references_all_stand_in_it_is_read(tmp_path: Path, schema: Any) -> None:
    assert parsed(tmp_path, schema) == schema
