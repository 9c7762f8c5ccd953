"""A task moves to another base and, by a rollback, back: whole cycles from the command line."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from test_cycle import answer, commit, edit, pawl
from transformers import AutoConfig, AutoModelForCausalLM

from pawl.workspace.paths import Workspace

PROMPT = "Where is my parcel? The order is AB-12345."


@pytest.mark.slow
@pytest.mark.server
def test_a_task_moves_to_another_base_and_a_rollback_takes_it_back(
    quick_workspace: Workspace,
) -> None:
    """The base of before knows nothing: what is trained on the tiny one is better for sure."""
    tiny, before = (quick_workspace.root / name for name in ("tiny", "before"))
    section = quick_workspace.task("tickets")
    shutil.copytree(section.base.model, tiny)
    shutil.copytree(tiny, before, ignore=shutil.ignore_patterns("*.safetensors"))
    config = AutoConfig.from_pretrained(tiny)
    config.hidden_size, config.head_dim = config.hidden_size // 2, config.head_dim // 2
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(before)
    edit(quick_workspace, f"model: {section.base.model}", "model: before")
    edit(quick_workspace, "metric: exact_match", "metric: char_error")
    # Prompts that are held to the schema are as valid as an adapter can be.
    edit(quick_workspace, "schema_decoding: baselines", "schema_decoding: none")
    edit(quick_workspace, "exact_match: 0.1", "schema_valid: 0.0")
    commit(quick_workspace)

    # It is no better than its prompts, or nobody can tell.
    first = pawl(quick_workspace, "run", "tickets", "--json")
    assert json.loads(first.stdout)["verdict"] in ("reject", "inconclusive"), first.stderr
    why = ("--override", "--reason", "something must be live")
    answer(quick_workspace, "promote", "tickets", "1", *why)
    said = answer(quick_workspace, "predict", "tickets", PROMPT)

    edit(quick_workspace, "model: before", "model: tiny")
    edit(quick_workspace, "epochs: 1", "epochs: 5")
    commit(quick_workspace)
    plan = answer(quick_workspace, "plan", "tickets")
    second = answer(quick_workspace, "run", "tickets")
    assert second["verdict"] == "promote", second["reasons"]
    assert any("champion answered on the base" in reason for reason in second["reasons"])
    assert second["champion"]["version"] == 2
    assert (plan["moved"]["version"], plan["moved"]["base"]) == (1, "before")
    assert 0 < plan["moved"]["judging"]["peak"] < plan["judging"]["peak"]
    assert plan["moved"]["judging"]["fits"]
    assert answer(quick_workspace, "predict", "tickets", PROMPT) != said

    # At once, and the base of before answers, though params.yaml names the new one.
    answer(quick_workspace, "rollback", "tickets", "--reason", "support sees odd answers")
    assert answer(quick_workspace, "predict", "tickets", PROMPT) == said
    assert answer(quick_workspace, "verify", "tickets")

    # The task has not moved back: the next cycle judges on both bases once more.
    edit(quick_workspace, "epochs: 5", "epochs: 6")
    third = answer(quick_workspace, "run", "tickets")
    assert third["verdict"] == "promote", third["reasons"]
    assert third["champion"]["version"] == 3
