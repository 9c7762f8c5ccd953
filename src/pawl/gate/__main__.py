"""`python -m pawl.gate gate TASK`: the door that DVC opens."""

from pawl.gate.run import gate
from pawl.workspace.stages import main

main({"gate": gate})
