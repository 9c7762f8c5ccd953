"""The inputs of a cycle as files of DVC's graph: base, schema, long prompt, snapshots.

DVC runs `inputs` on every repro (well under a second), because a base folder or hub cache can
change without any file of the workspace; later stages rerun only if its output differs.
"""

from __future__ import annotations

from pawl.config.schema import Task
from pawl.config.user_functions import load_function
from pawl.core.files import write_json, write_text
from pawl.core.records import Profile, write_record
from pawl.data.read.examples import Rows, read_examples
from pawl.data.read.kept_answers import read_kept_answers
from pawl.model.base import base_info
from pawl.workspace.fingerprints import scoring_inputs
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file, read_prompt, read_schema
from pawl.workspace.tracked import refuse_other_base, refuse_other_data


def inputs(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/inputs/`: base.json (a `BaseInfo`), schema.json, prompt.md, named.json.

    The user's scorers are imported here, so that an error in them is raised before any training.
    Files that DVC tracks are compared with their pointers here: this stage always runs.
    """
    section, files = workspace.checked_task(task), workspace.files(task)
    refuse_other_data(workspace, section)
    for base in (section.base, *section.evaluate.bases.values()):
        refuse_other_base(workspace, base)
    schema, prompt = read_schema(workspace, section), read_prompt(workspace, section)
    for scorer in section.evaluate.own.values():
        load_function(scorer.function, workspace.root)
    named = scoring_inputs(section, workspace.root, schema=schema)
    kept = read_kept_answers(workspace, section)
    write_json(files.scoring_inputs, {**named, **({"kept": kept} if kept else {})})
    write_record(files.base, base_info(section.base, workspace.root))
    write_json(files.schema, schema)
    write_text(files.prompt, prompt)


def held_out_register(workspace: Workspace, task: str) -> None:
    """Leave the flow's snapshot of the held-out register; without one, write an empty file."""
    path = workspace.files(task).held_out_register
    if not path.exists():
        write_text(path, "")


def champion_profile(workspace: Workspace, task: str) -> None:
    """Leave the flow's snapshot of the champion's data profile; without one, write an empty one."""
    path = workspace.files(task).champion_profile
    if not path.exists():
        write_record(path, Profile())


def task_rows(workspace: Workspace, section: Task) -> Rows:
    """Read the task's data file, which may be absent; raise `DataError` as `ExampleReader` does."""
    path = data_file(workspace, section)
    return read_examples(path, section.data, check=section.check)


def __getattr__(name: str) -> object:
    from pawl.earlier import look_up

    return look_up(__name__, name)
