"""Editors are told by a JSON Schema what Pawl itself accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pawl.commands.init import init
from pawl.commands.schema import schema_text, write_schema
from pawl.config.load import parse_params
from pawl.config.params_schema import FILE, REFERENCE, params_schema
from pawl.errors import ParamsError
from pawl.workspace.paths import Workspace

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
SCHEMA = Draft202012Validator(params_schema())


def refused(text: str) -> list[str]:
    return [error.json_path for error in SCHEMA.iter_errors(yaml.safe_load(text))]


def test_this_repositorys_parameters_are_valid_and_its_schema_is_that_of_the_code() -> None:
    Draft202012Validator.check_schema(params_schema())
    assert refused(TEXT) == []
    assert TEXT.partition("\n")[0] == REFERENCE
    assert (ROOT / FILE).read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ("rank: 16", "rank: 0", "rank"),
        ("rank: 16", "rank: many", "rank"),
        ("looks: 20", "loks: 20", "gate"),
        ("alpha: 0.05", "alpha: 0.7", "alpha"),
        ("dev: 0.08", "dev: 2", "dev"),
        ("min_rows: 300", "severity: {facts: ignore}", "severity"),
        ("min_rows: 300", "severity: {fact: warn}", "severity"),
        ("  tickets:", "  Odd Name:", "tasks"),
        ("    train:", "    trains:", "tickets"),
    ],
)
def test_what_an_editor_marks_is_what_pawl_refuses(before: str, after: str, where: str) -> None:
    assert TEXT.count(before) >= 1
    text = TEXT.replace(before, after, 1)
    assert any(where in place for place in refused(text))
    with pytest.raises(ParamsError):
        parse_params(text, "params.yaml")


@pytest.mark.parametrize("rank", [1, 512, "auto"])
def test_a_rank_is_a_number_or_auto(rank: Any) -> None:
    text = TEXT.replace("rank: 16", f"rank: {rank}", 1)
    assert refused(text) == []
    parse_params(text, "params.yaml")


def test_every_key_of_the_schema_is_explained_in_the_docs() -> None:
    docs = (ROOT / "docs" / "params.md").read_text(encoding="utf-8")
    schema = params_schema()
    for name in ("Check", "Split", "Train", "Evaluate", "Gate", "Cost", "Schedule", "Release"):
        for key in schema["$defs"][name]["properties"]:
            assert f"`{name.lower()}.{key}`" in docs, (name, key)


def test_a_new_workspace_has_the_schema_and_an_old_one_gets_it(tmp_path: Path) -> None:
    workspace = init(tmp_path / "new")
    assert json.loads((workspace.root / FILE).read_text()) == params_schema()
    assert workspace.params_file.read_text().startswith(f"{REFERENCE}\n")
    old = Workspace(tmp_path / "old")
    old.root.mkdir()
    old.params_file.write_text("tasks: {}\n")
    assert REFERENCE in write_schema(old)
    assert old.params_file.read_text() == "tasks: {}\n"
    old.params_file.write_text(f"{REFERENCE}\ntasks: {{}}\n")
    assert "refers to it" in write_schema(old)
