"""`python -m pawl.train train TASK`: the door that DVC opens."""

from pawl.stage import main
from pawl.train.qlora import train

main({"train": train})
