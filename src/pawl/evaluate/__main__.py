"""`python -m pawl.evaluate world|evaluate TASK`: the doors that DVC opens."""

from pawl.evaluate.run import evaluate
from pawl.evaluate.world import world
from pawl.stage import main

main({"world": world, "evaluate": evaluate})
