"""The house: the GPU image stays thin, the command line starts fast, the map is that of the rooms.

Who may import whom is held by import-linter (`make lint`, contracts in pyproject.toml).
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pawl"
BLOCKED = ("prefect", "mlflow", "dvc", "great_expectations")

BLOCKER = f"""
import importlib, pkgutil, sys
# None stands for 'not installed': importing raises, and probing finds nothing.
sys.modules.update(dict.fromkeys({BLOCKED!r}))
import pawl.train, pawl.evaluate
for package in (pawl.train, pawl.evaluate):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):
        if not module.name.endswith('__main__'):
            importlib.import_module(module.name)
import torch, transformers, peft, bitsandbytes, accelerate
"""


def test_train_and_evaluate_import_without_the_pipelines_packages() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", ["import pawl", "import pawl.cli", "import pawl.gate.decide"])
def test_nothing_heavy_is_loaded_before_a_command_needs_it(code: str) -> None:
    heavy = (*BLOCKED, "torch", "transformers")
    check = f"{code}\nimport sys\nprint([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_every_room_is_in_the_contract_and_the_map_is_made_of_their_docstrings() -> None:
    layers = rooms()
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert {room for layer in layers for room in layer} == packages
    lines = [f"{'flows/':<11} Prefect flows of a workspace: they compose `pawl.cycle.steps`."]
    lines += [f"{room + '/':<11} {summary(room)}" for layer in layers for room in layer]
    drawn = "\n".join(lines)
    assert f"```\n{drawn}\n```" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), drawn


def rooms() -> list[list[str]]:
    """The packages that the layers contract names, from the top down."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    layers = contracts[0]["layers"]
    found = [[name.strip().removeprefix("pawl.") for name in layer.split("|")] for layer in layers]
    return [layer for layer in found if layer != ["errors"]]


def summary(room: str) -> str:
    """The first line of a package's docstring."""
    tree = ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").split("\n")[0]
