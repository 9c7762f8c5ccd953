"""`python -m pawl.evaluate preflight|world|evaluate TASK`: the doors that DVC opens."""

from pawl.evaluate.preflight import preflight
from pawl.evaluate.run import evaluate
from pawl.evaluate.world import world
from pawl.stage import main

main({"preflight": preflight, "world": world, "evaluate": evaluate})
