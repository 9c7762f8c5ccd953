"""`python -m pawl.gate gate TASK`: the stage as DVC runs it."""

from pawl.gate.run import gate
from pawl.workspace.stages import main

main({"gate": gate})
