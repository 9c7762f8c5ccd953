"""`python -m pawl.train train TASK`: the stage as DVC runs it."""

from pawl.train.run import train, worker
from pawl.workspace.stages import main

main({"train": train, "worker": worker}, within=("worker",))
