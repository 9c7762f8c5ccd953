"""What each extra of the package installs is all that its part of Pawl imports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

from pawl.workspace.paths import Workspace

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
# Does not find the packages that are named, as if they were not installed.
BLOCKER = """
import sys
from importlib.machinery import PathFinder
class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            return None
        return super().find_spec(name, path, target)
BLOCKED = set(NAMES)
sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[ \[<>=!;~]", requirement)[0]).lower()


def installed_by(*extras: str) -> set[str]:
    """The names of all distributions that `pip install 'pawl[…]'` brings."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    asked = [*project["dependencies"]]
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    found: set[str] = set()
    while asked:
        if (name := name_of(asked.pop())) in found:
            continue
        found.add(name)
        try:
            more = requires(name) or []
        except PackageNotFoundError:
            continue  # for another platform or Python
        asked += [one for one in more if "extra ==" not in one]
    return found


def missing_without(*extras: str) -> list[str]:
    """The modules here that those extras do not bring."""
    there = installed_by(*extras)
    return sorted(
        module
        for module, names in packages_distributions().items()
        if module != "pawl" and there.isdisjoint(name_of(name) for name in names)
    )


def test_the_pipeline_alone_brings_no_torch() -> None:
    missing = missing_without("pipeline")
    assert {"torch", "peft", "bitsandbytes", "accelerate", "pytest"} <= set(missing)


@pytest.mark.slow
def test_the_pipeline_alone_can_check_a_task_and_says_what_a_training_needs(
    quick_workspace: Workspace, tmp_path: Path
) -> None:
    blocked = missing_without("pipeline")
    # Stages are processes of their own: each gets the blocker as it starts.
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BLOCKER.replace("NAMES", repr(blocked)))
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("COV_", "MLFLOW_", "DVC_"))},
        "PYTHONPATH": str(site),
    }

    def pawl(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pawl", "-C", str(quick_workspace.root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    done = pawl("check", "tickets", "--fix", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    assert not (quick_workspace.files("tickets").root / "error.json").exists()
    refused = pawl("plan", "tickets")
    assert refused.returncode == 1
    assert "error: the package `torch` is not installed\n" in refused.stderr
    assert "pip install 'pawl[train,pipeline]'" in refused.stderr
