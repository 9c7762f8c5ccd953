"""What a cycle starts from, by digest: the base, the schema, the long prompt, the data.

DVC runs `inputs` on every repro (it takes well under a second) because a base folder or a hub
cache can change without any file of the workspace changing; the stages after it run again only if
what it wrote differs.
"""

from __future__ import annotations

from pawl.config.schema import Task
from pawl.config.user_functions import load_function
from pawl.core.files import write_json, write_text
from pawl.core.records import write_record
from pawl.data.read.examples import Rows, read_examples
from pawl.model.base import base_info
from pawl.workspace.fingerprints import scoring_inputs
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file, read_prompt, read_schema


def inputs(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/inputs/`: base.json (a `BaseInfo`), schema.json, prompt.md, named.json.

    The task's own scorers are imported here: what is wrong with them is said before any training.
    """
    section, files = workspace.checked_task(task), workspace.files(task)
    schema, prompt = read_schema(workspace, section), read_prompt(workspace, section)
    for function in section.evaluate.scorers.values():
        load_function(function, workspace.root)
    write_json(files.scoring_inputs, scoring_inputs(section.evaluate, workspace.root))
    write_record(files.base, base_info(section.base, workspace.root))
    write_json(files.schema, schema)
    write_text(files.prompt, prompt)


def task_rows(workspace: Workspace, section: Task) -> Rows:
    """The task's rows as its data file has them, those left out that `check.drop_bad` allows.

    Raises:
        DataError: the file is absent, damaged or empty, or more of its rows are bad.
    """
    path = data_file(workspace, section)
    return read_examples(path, section.data, drop=section.check.drop_bad)
