"""The flow file of a workspace: one screen, one room below it, steps that read aloud in Prefect."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from prefect import Task

FLOW = Path(__file__).parents[2] / "flows" / "retrain.py"
STEPS = [
    "fingerprint inputs",
    "register what waits",
    "find an earlier result",
    "snapshot history",
    "check and split",
    "train",
    "snapshot champion and reserve look",
    "evaluate and gate",
    "register and release",
    "record invalid data",
    "publish",
]


def test_the_steps_are_called_in_prefect_what_they_do() -> None:
    spec = importlib.util.spec_from_file_location("flow_file", FLOW)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert [step.name for step in vars(module).values() if isinstance(step, Task)] == STEPS


def test_the_flow_is_one_screen_and_imports_the_facade_and_errors_alone() -> None:
    text = FLOW.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 81
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    found = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    ours = {name for name in found if name.startswith("pawl")}
    assert ours == {"pawl.cycle.steps", "pawl.errors.DataError", "pawl.errors.RegistryError"}
