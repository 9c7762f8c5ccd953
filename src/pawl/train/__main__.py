"""`python -m pawl.train train TASK`: the door that DVC opens."""

from pawl.stage import main
from pawl.train.run import train, work

main({"train": train, "worker": work})
