"""The record of publications, a line each: `.pawl/published/TASK.jsonl`.

It says what was served when, and decides nothing: a publication asks the targets themselves, so
that one that was killed, or whose record is lost, is made up for. A webhook alone, which cannot be
asked, is told again without it.
"""

from __future__ import annotations

from dataclasses import replace

from pawl.core.files import write_lines
from pawl.core.records import to_json
from pawl.core.records.io import read_records
from pawl.core.records.publish import Publication
from pawl.errors import DataError
from pawl.workspace.paths import Workspace

# So many are looked back on.
KEPT = 1000


def publications(workspace: Workspace, task: str) -> list[Publication]:
    """What was published of a task, the last one last; empty where that cannot be read."""
    try:
        return read_records(workspace.published(task), Publication)
    except DataError:
        return []


def remember(workspace: Workspace, publication: Publication) -> None:
    """Add a publication, unless the last one found the same."""
    found = publications(workspace, publication.task)
    if found and replace(found[-1], when=publication.when) == publication:
        return
    lines = [to_json(one) for one in (*found, publication)][-KEPT:]
    write_lines(workspace.published(publication.task), lines)
