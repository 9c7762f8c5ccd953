"""`python -m pawl.data inputs|check|known|split TASK`: the doors that DVC opens."""

from pawl.data.check import check
from pawl.data.inputs import inputs
from pawl.data.split.pinned import known
from pawl.data.split.split import split
from pawl.workspace.stages import main

main({"inputs": inputs, "check": check, "known": known, "split": split})
