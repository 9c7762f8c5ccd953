"""Adds a task's section to the text of `params.yaml`; comments and order of the rest stay."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Mapping
from typing import Any

WIDTH = 100


def with_section(text: str, task: str, section: dict[str, Any], notes: Mapping[str, str]) -> str:
    """The text of `params.yaml` with the section, a comment above each of the keys in `notes`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.width = WIDTH
    document = yaml.load(text)
    if not document["tasks"]:
        document["tasks"] = CommentedMap()
    # Through JSON, so that the section is plain values that round-trip writes in block style.
    added = CommentedMap(json.loads(json.dumps(section)))
    for key, note in notes.items():
        lines = textwrap.fill(note, WIDTH - 6)
        added.yaml_set_comment_before_after_key(key, before=lines, indent=4)
    document["tasks"][task] = added
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()
