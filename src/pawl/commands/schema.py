"""`pawl schema`: write the JSON Schema by which editors complete and check `params.yaml`."""

from __future__ import annotations

from pawl.config.params_schema import FILE, REFERENCE, params_schema
from pawl.core.files import json_text, write_text
from pawl.workspace.paths import Workspace


def schema_text() -> str:
    """The schema as its file has it."""
    return json_text(params_schema())


def write_schema(workspace: Workspace) -> str:
    """Write the schema beside `params.yaml`; returns what was done, and the line that refers to it.

    `params.yaml` itself is the user's and is not changed.
    """
    write_text(workspace.root / FILE, schema_text())
    first = workspace.params_file.read_text(encoding="utf-8").partition("\n")[0]
    if first == REFERENCE:
        return f"{FILE} is written, and params.yaml refers to it"
    return f"{FILE} is written; make this the first line of params.yaml: {REFERENCE}"
