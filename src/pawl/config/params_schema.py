"""The JSON Schema of `params.yaml`, from its types: editors complete and check the file by it.

It says what each value may be. The rules between keys, and those that need the task's files, are
`policy_rules` and `preconditions`; every command checks all of them.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from pawl.config.schema import TASK_NAME, Params

# Beside params.yaml, so that no editor has to ask a network.
FILE = "params.schema.json"
# What the yaml-language-server of VS Code, vim, Emacs and JetBrains reads, in a file's first line.
REFERENCE = f"# yaml-language-server: $schema={FILE}"


def params_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of `params.yaml`."""
    schema: dict[str, Any] = TypeAdapter(Params).json_schema()
    for section in (schema, *schema["$defs"].values()):
        for key in section.get("properties", {}).values():
            # A key's name in capitals tells nobody anything.
            key.pop("title", None)
    schema["properties"]["tasks"]["propertyNames"] = {"pattern": TASK_NAME.pattern}
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **schema, "title": "params.yaml of a Pawl workspace"}
