"""`python -m pawl.gate gate TASK`: the door that DVC opens."""

from pawl.gate.run import gate
from pawl.stage import main

main({"gate": gate})
