"""`python -m pawl.data inputs|check|split TASK`: the doors that DVC opens."""

from pawl.data.check import check
from pawl.data.inputs import inputs
from pawl.data.split import split
from pawl.stage import main

main({"inputs": inputs, "check": check, "split": split})
