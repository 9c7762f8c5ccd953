"""A retrain that dev already speaks against costs no look, and every command says so."""

from __future__ import annotations

import pytest
from test_cycle import answer, commit, edit, pawl

from pawl.workspace.paths import Workspace


@pytest.mark.slow  # two cycles
@pytest.mark.server
def test_a_retrain_that_dev_speaks_against_spends_no_look_and_is_told_everywhere(
    quick_workspace: Workspace,
) -> None:
    edit(quick_workspace, "epochs: 1", "epochs: 3")
    # Prompts that are held to the schema are as valid as an adapter can be.
    edit(quick_workspace, "schema_decoding: baselines", "schema_decoding: none")
    edit(quick_workspace, "metric: exact_match", "metric: schema_valid")
    edit(quick_workspace, "exact_match: 0.1", "schema_valid: 0.1")
    edit(quick_workspace, "looks: 3", "looks: 3\n      spending: front\n      screen: 0.3")
    commit(quick_workspace)
    first = answer(quick_workspace, "run", "tickets")
    assert first["verdict"] == "promote", first["reasons"]
    plan = answer(quick_workspace, "plan", "tickets")
    assert f"the {plan['rows']['dev']} dev rows is above 0.3" in plan["says"]

    edit(quick_workspace, "learning_rate: 0.002", "learning_rate: 0.000001")
    second = answer(quick_workspace, "run", "tickets", code=3)
    assert second["verdict"] == "reject"
    assert "dev speaks against it, so that no look was spent" in second["reasons"][0]
    assert (second["candidate"]["version"], second["champion"]["version"]) == (2, 1)
    status = answer(quick_workspace, "status", "tickets")
    assert status["looks"]["used"] == 1
    assert status["last"]["verdict"] == "reject"
    page = quick_workspace.files("tickets").page.read_text(encoding="utf-8")
    assert "Rejected: version 2 is not released; version 1 stays champion." in page
    assert "no look was spent" in page
    assert answer(quick_workspace, "run", "tickets")["verdict"] == "unchanged"
    flips = answer(quick_workspace, "flips", "tickets")
    assert (flips["version"], flips["against"], flips["split"]) == (2, 1, "dev")
    assert len(flips["lost"]) >= len(flips["won"])
    assert "dev rows lost" in pawl(quick_workspace, "flips", "tickets").stdout
    refused = pawl(quick_workspace, "promote", "tickets", "2", "--reason", "I like it")
    assert refused.returncode == 2
    assert "--override" in refused.stderr
    for words in (
        ("report", "tickets"),
        ("compare", "tickets", "1", "2"),
        ("replay", "tickets", "2"),
    ):
        assert answer(quick_workspace, *words)
    assert answer(quick_workspace, "verify", "tickets")

    # One that dev does not speak against is looked at, at the second look's price.
    edit(quick_workspace, "learning_rate: 0.000001", "learning_rate: 0.003")
    edit(quick_workspace, "epochs: 3", "epochs: 4")
    edit(quick_workspace, "screen: 0.3", "screen: 0.5")
    third = pawl(quick_workspace, "run", "tickets", "--json")
    used = answer(quick_workspace, "status", "tickets")["looks"]["used"]
    assert used == (1 if "no look was spent" in third.stdout else 2)
