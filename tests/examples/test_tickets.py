"""The tickets data is what its generator says; its bad delivery is bad where no schema sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
VERSIONS = {"v1": 500, "v2": 2500, "v3": 5000}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tickets")
    script = ROOT / "examples" / "tickets" / "generate.py"
    subprocess.run([sys.executable, str(script), "--out", str(folder)], check=True)
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.mark.parametrize(("version", "count"), VERSIONS.items())
def test_the_generator_makes_the_tracked_bytes_again(made: Path, version: str, count: int) -> None:
    name = f"{version}.jsonl"
    tracked = (ROOT / "examples" / "tickets" / name).read_bytes()
    assert (made / name).read_bytes() == tracked
    assert len(rows(made / name)) == count


def test_each_version_grows_from_the_one_before(made: Path) -> None:
    first, second, third = ((made / f"{version}.jsonl").read_bytes() for version in VERSIONS)
    assert second.startswith(first)
    assert third.startswith(second)


def test_no_schema_sees_the_bad_delivery_yet_every_row_of_it_is_wrong(made: Path) -> None:
    schema = json.loads((ROOT / "data" / "tickets.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)
    third = rows(made / "v3.jsonl")
    assert all(validator.is_valid(json.loads(row["completion"])) for row in third)
    bad = [row for row in third if row["id"].startswith("vx-")]
    assert len(bad) == 2500
    # A message that holds an order number and a label that says null can be told wrong by anyone.
    lost = [
        row
        for row in bad
        if "ORD-20" in row["prompt"] and json.loads(row["completion"])["order"] is None
    ]
    assert len(lost) > 100
    assert len({" ".join(row["prompt"].casefold().split()) for row in third}) == len(third)


def test_the_long_prompt_leaves_room_for_the_longest_message(base_folder: Path, made: Path) -> None:
    from pawl.config.load import read_params
    from pawl.core.records import Message
    from pawl.model.prompt import prompt_tokens, with_instruction
    from pawl.model.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(base_folder)
    instruction = (ROOT / "data" / "tickets.prompt.md").read_text(encoding="utf-8").strip()
    task = read_params(ROOT / "params.yaml").task("tickets")
    room = 1024 - task.evaluate.max_new_tokens
    longest = max(
        len(
            prompt_tokens(
                tokenizer, with_instruction((Message("user", row["prompt"]),), instruction)
            )
        )
        for row in rows(made / "v3.jsonl")
    )
    assert longest <= room
