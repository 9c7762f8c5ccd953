"""`python -m pawl.train train TASK`: the door that DVC opens."""

from pawl.train.run import train, work
from pawl.workspace.stages import main

main({"train": train, "worker": work})
