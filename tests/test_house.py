"""Who may import whom: the GPU image stays thin, the command line starts fast."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "pawl"
ROOMS = ("data", "train", "evaluate", "gate", "registry", "report")
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


def test_rooms_never_import_each_other_and_nothing_imports_flows() -> None:
    wrong = []
    for room in ROOMS:
        for path in (SOURCE / room).rglob("*.py"):
            others = [f"pawl.{other}" for other in ROOMS if other != room]
            wrong += [
                f"{path.name} imports {name}"
                for name in imported(path)
                if name.startswith((*others, "flows", "pawl.cli"))
            ]
    assert not wrong


def imported(path: Path) -> set[str]:
    """All modules that a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names
