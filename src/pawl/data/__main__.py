"""`python -m pawl.data STAGE TASK`: the stages of this room, as DVC runs them."""

from pawl.data.check import check
from pawl.data.inputs import inputs
from pawl.data.split.pinned import champion_profile, held_out_register
from pawl.data.split.split import split
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import main


def known(workspace: Workspace, task: str) -> None:
    """The two snapshots under the name that workspaces made before 0.2 have in their dvc.yaml."""
    held_out_register(workspace, task)
    champion_profile(workspace, task)


main(
    {
        "inputs": inputs,
        "check": check,
        "held_out_register": held_out_register,
        "champion_profile": champion_profile,
        "known": known,
        "split": split,
    }
)
