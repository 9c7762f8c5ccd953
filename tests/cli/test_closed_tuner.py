"""From a closed tuner: its rows as they are, the old tune beside the adapter, a verdict on both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import says, server
from test_chats_released import answer, chats

from pawl.commands.init import init

SYSTEM = "You plan trips."


def openai_rows() -> list[dict[str, Any]]:
    """The trips of another test, in the form that is uploaded for a tune."""
    roles = {"human": "user", "gpt": "assistant"}
    rows = []
    for row in chats():
        said = [turn for turn in row["conversations"] if turn["from"] in roles][:6]
        turns = [{"role": roles[turn["from"]], "content": turn["value"]} for turn in said]
        rows.append({"messages": [{"role": "system", "content": SYSTEM}, *turns]})
    return rows


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(1800)
def test_an_adapter_that_matches_the_tune_that_is_lost_is_promoted_for_that_reason(
    tmp_path: Path, base_folder: Path
) -> None:
    """The server's tune has forgotten its job; that of the kept answers was always right."""
    rows = openai_rows()
    file = tmp_path / "tune.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    workspace = init(tmp_path / "workspace")
    answer(workspace, "new", "trips", "--data", str(file), "--base", str(base_folder))
    (workspace.root / "data" / "gold.jsonl").write_bytes(file.read_bytes())
    with server(lambda *_: says("I cannot help with that.")) as (url, requests):
        params = yaml.safe_load(
            re.sub(r"epochs: \d+", "epochs: 3", workspace.params_file.read_text())
        )
        section = params["tasks"]["trips"]
        old = {"url": url, "model": "ft:old", "bare": True}
        section["evaluate"] |= {"endpoints": {"old": old}, "answers": {"gold": "data/gold.jsonl"}}
        section["gate"]["matches"] = {"old": 0.05}
        workspace.params_file.write_text(yaml.safe_dump(params))
        run = answer(workspace, "run", "trips")
    assert run["verdict"] == "promote", run["reasons"]
    assert any(reason.startswith("matches old: ") for reason in run["reasons"])
    assert any("gold (answers that were kept)" in reason for reason in run["reasons"])
    assert run["scores"]["gold"]["exact_match"] == 1.0
    assert requests[0]["body"]["messages"][0] == {"role": "system", "content": SYSTEM}
