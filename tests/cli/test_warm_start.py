"""A chain of adapters: the second goes on from the first, is judged beside it, and reproduced."""

from __future__ import annotations

import pytest
from test_cycle import answer, commit, edit, pawl

from pawl.core.records import Champion, Training, read_record
from pawl.model.adapter import read_adapter
from pawl.workspace.paths import Workspace

pytestmark = [pytest.mark.server, pytest.mark.slow]  # two cycles and a third training
TASK = "tickets"


def test_a_champion_is_gone_on_from_and_the_chain_can_be_reproduced(
    quick_workspace: Workspace,
) -> None:
    # A metric that one short epoch reaches and the bare base does not.
    edit(quick_workspace, "epochs: 1", "epochs: 3")
    # Prompts that are held to the schema are as valid as an adapter can be.
    edit(quick_workspace, "schema_decoding: baselines", "schema_decoding: none")
    edit(quick_workspace, "metric: exact_match", "metric: schema_valid")
    edit(quick_workspace, "exact_match: 0.1", "schema_valid: 0.1")
    commit(quick_workspace)
    first = answer(quick_workspace, "run", TASK)
    assert first["verdict"] == "promote", first["reasons"]
    files = quick_workspace.files(TASK)
    assert read_record(files.ancestor / "champion.json", Champion).version is None

    edit(quick_workspace, "epochs: 3", "start: both\n      epochs: 1")
    commit(quick_workspace)
    said = " ".join(answer(quick_workspace, "plan", TASK)["training"]["says"])
    assert "two trainings, from new weights and from version 1's" in said
    second = pawl(quick_workspace, "run", TASK)
    assert second.returncode in (0, 3, 4), second.stderr[-3000:]
    mine, record = read_adapter(files.adapter), read_record(files.training, Training)
    _, warm = record.starts
    assert warm.kept, "one epoch from nothing is worse than one more"
    assert mine.ancestor == warm.digest == first["champion"]["digest"]
    assert f"from version 1 (dev loss {warm.dev_loss:.4g})" in second.stderr

    again = answer(quick_workspace, "reproduce", TASK, "2")
    assert again["same"], again["differs"]

    # What cannot be gone on from is refused before anything is trained.
    edit(quick_workspace, "start: both", "start: champion")
    edit(quick_workspace, "rank: 16", "rank: 8")
    refused = pawl(quick_workspace, "run", TASK)
    assert refused.returncode == 2
    assert "version 1 has rank 16, not 8" in refused.stderr or "version 2" in refused.stderr
    assert read_adapter(files.adapter).digest == mine.digest
