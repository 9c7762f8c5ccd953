"""`python -m pawl.data STAGE TASK`: runs a DVC stage of this room."""

from pawl.data.check import check
from pawl.data.inputs import champion_profile, held_out_register, inputs
from pawl.data.split.split import split
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import main


def known(workspace: Workspace, task: str) -> None:
    """Both snapshots, under the stage name in the dvc.yaml of workspaces older than 0.2."""
    held_out_register(workspace, task)
    champion_profile(workspace, task)


# Each stage of dvc.yaml is the function of its name.
STAGES = (inputs, check, held_out_register, champion_profile, known, split)
main({stage.__name__: stage for stage in STAGES})
