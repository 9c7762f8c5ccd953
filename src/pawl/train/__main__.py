"""`python -m pawl.train train TASK`: the stages as DVC runs them."""

from pawl.train.ancestor import ancestor
from pawl.train.run import train, worker
from pawl.workspace.stages import main

main({"ancestor": ancestor, "train": train, "worker": worker}, within=("worker",))
