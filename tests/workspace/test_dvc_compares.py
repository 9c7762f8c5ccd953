"""DVC's own commands say something useful of a task: metrics, plots, experiments, up to dev."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.workspace.dvc_calls import dvc_environment
from pawl.workspace.paths import Workspace


def call(workspace: Workspace, *words: str) -> str:
    """What a command says in the workspace, as a user's shell would run it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **dvc_environment(workspace), "PATH": path}
    done = subprocess.run(
        words, cwd=workspace.root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_metrics_plots_and_experiments_compare_trainings_on_the_dev_split_alone(
    quick_workspace: Workspace,
) -> None:
    workspace = quick_workspace
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        call(workspace, "git", "config", key, value)
    call(workspace, "dvc", "repro", "--quiet", "gate@tickets")
    call(workspace, "git", "add", "--all")
    call(workspace, "git", "commit", "--quiet", "--message", "as it was")

    shown = json.loads(call(workspace, "dvc", "metrics", "show", "--json"))
    (metrics,) = shown[""]["data"].values()
    assert set(metrics["data"]) == {"dev", "training"}
    assert 0 <= metrics["data"]["dev"]["exact_match"] <= 1

    page = call(workspace, "dvc", "plots", "show", "--json")
    assert "training loss" in page

    rank = ("-S", "tasks.tickets.train.rank=4")
    call(workspace, "dvc", "exp", "run", "--quiet", "--name", "smaller", *rank, "gate@tickets")
    diff = json.loads(call(workspace, "dvc", "metrics", "diff", "--json"))
    (changes,) = diff.values()
    assert changes["training.dev_loss"]["old"] != changes["training.dev_loss"]["new"]
    table = call(workspace, "dvc", "exp", "show", "--csv")
    assert "smaller" in table
    assert "dev.exact_match" in table
    assert "gate.exact_match" not in table
